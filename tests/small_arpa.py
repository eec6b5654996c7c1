"""A bigram model as an ARPA file, small enough to work out by hand: p(b | a) = 10^-0.3, and its p do not sum to one."""

_TEXT = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
{unk}\t<unk>
-99\t<s>\t-0.3
-0.7\t</s>
-0.6\t{a}\t-0.2
-0.5\t{b}\t-0.1

\\2-grams:
-0.2\t<s> {a}
-0.3\t{a} {b}
-0.4\t{b} </s>

\\end\\
"""


def text(*, unk: str = "-1.0", a: str = "a", b: str = "b") -> str:
    """unk: log10 p of `<unk>`; a, b: its words."""
    return _TEXT.format(unk=unk, a=a, b=b)


BASE = text()
