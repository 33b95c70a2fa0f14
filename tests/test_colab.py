"""`make colab` sees what every set-up cell installs."""

from __future__ import annotations

import pytest
from colab import check
from course_files import NAMES, ROOT


@pytest.mark.parametrize("name", NAMES)
def test_each_set_up_cell_asks_for_the_package_and_leaves_no_name_open(name: str) -> None:
    package, *others = check.asked(ROOT / "notebooks" / f"{name}.ipynb")
    assert package.startswith("qhelpers")
    assert package.endswith(f" @ {ROOT.as_uri()}")
    assert not any("{" in other for other in others)
