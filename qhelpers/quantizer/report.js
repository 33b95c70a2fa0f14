function order(t,c,up){const b=t.tBodies[0],r=[...b.rows];const v=x=>x.cells[c].dataset.v;
r.sort((p,q)=>{const a=v(p),z=v(q);return (isNaN(a)||isNaN(z)?a.localeCompare(z):a-z)*(up?1:-1)});
r.forEach(x=>b.append(x))}
document.querySelectorAll('table.s').forEach(t=>{let last=-1,up=false;
const go=c=>{up=c==last?!up:true;last=c;order(t,c,up)};
t.querySelectorAll('th button').forEach((b,c)=>b.onclick=()=>go(c));
const s=t.previousElementSibling.querySelector('select');if(s)s.onchange=()=>go(+s.value)})
