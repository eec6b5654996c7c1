r"""ARPA files, the text form of back-off n-gram models: read into a Table and its words, written from them.

    \data\
    ngram 1=5                          how many n-grams of each order
    ngram 2=1

    \1-grams:
    -0.9    <unk>    0                 log10 p, words, log10 back-off (0 where it is left out), tabs between
    ...
    \2-grams:
    -0.3    <s> a
    \end\

Reads what lmplz, SRILM and similar tools write: `<s>` with p = 1 or 1e-99 (inside it is 0: never predicted), tabs or
spaces between fields, any text before the line `\data\`, compressed files, p a little above 1 (IRSTLM). A file without
`<unk>` gives unknown words p = 1e-100, one without `</s>` gives it the p of `<unk>`, as KenLM does. The last n - 1 words
of an n-gram need not be an n-gram (pruning takes such); one whose first n - 1 words are none is refused, as KenLM refuses
it.

Writes what lmplz writes, with 7 decimals, and what ARPA has no place for in comment lines before it, which KenLM and
SRILM skip:

    # seqcli: tokenizer characters, unit line     where they are other than words, line, text as given
    # seqcli: \xHH in a word is the byte HH       where words are empty, have blanks or are spelled like specials

Without the first line a file's words read text as given, as the vocabulary of any other tool; with it, text in NFC
unless the line ends in `, text as given`. Characters and bytes come back as such. SentencePiece does not fit: its pieces
become words, spelled as `seqcli tokenize` writes them, and such a file scores that command's output. With the second
line, `\xHH` is the byte HH in every word and `\x` alone is no byte: a space is `\x20`, a backslash `\x5c`, `<s>` as a
word `\x3cs>`. In files without it words are what they are.

Both ways, runs of whole lines are split, looked up and formatted by vector operations; besides the table, memory
holds one run and, when reading, one order before it is sorted. Counts in the header are compared, never trusted.

    source.py   lines and where they come from, and the header
    lines.py    n-gram lines as numbers, and the spelling of words that ARPA cannot represent
    reading.py, writing.py
"""
