"""Wrong answers of lesson 14: (expression, part of the hint); its solutions have run before."""

from __future__ import annotations

WRONG = {
    "14.1": [
        ("converter_int8(model, 255 * bright).convert()", "the largest number"),
        ("first_try", "the largest number"),
        ("int16x8(model, recorded)", "the largest number"),
        ("converter_int8(model, bright).convert()", "the input is in order"),
        ("conversion.convert(model, 'int16x8', bright)", "which settings decide"),
        ("float32", "which settings decide"),
        ("hand_ins['half a download']", "truncated"),
        ('hand_ins["lesson 01\'s network"]', "depthwise layers"),
        ("'mine.tflite'", "the bytes of a file"),
    ],
    "14.2": [
        ("int16x8(model, bright)", "how many bytes has one activation"),
        ("converter_int8(equalized(model, recorded), recorded).convert()", "the largest number"),
        ("converter_int8(model, bright).convert()", "the input is in order"),
        ("None", "the bytes of a file"),
    ],
    "14.3": [
        ("converter_int8(even, bright).convert()", "which are more"),
        ("int16x8(even, bright)", "how many bytes has one activation"),
        ("[1, 2]", "the bytes of a file"),
    ],
}
