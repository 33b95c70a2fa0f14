"""What lesson 12 does with its networks."""

from __future__ import annotations

from qhelpers.arithmetic import block_formats
from qhelpers.lessons.lesson12 import networks


def test_the_cnn_in_blocks(few):
    cnn = networks.Cnn(few)
    floats = cnn.content()
    for form, scale in ((block_formats.MXFP4, 0), (block_formats.NVFP4, 4)):
        blocks, logits = cnn.quantized(form)
        assert blocks.codes.shape == (10, 2048)
        assert logits.shape == (len(few.test_images), 10)
        taken = 10 * 2048 * form.bits / 8 + scale
        assert len(cnn.content(blocks)) == len(floats) - cnn.weights.nbytes + taken
    gradients = cnn.gradients(few, 8)
    assert gradients.ndim == 1
    assert (gradients != 0).all()


def test_the_language_model_moves_more_with_fewer_bits():
    found = [networks.divergence(f).value for f in (block_formats.MXINT8, block_formats.MXFP4)]
    assert 0 <= found[0] < found[1] / 10
