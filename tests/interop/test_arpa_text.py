"""The words of an ARPA file are what the file spells; only seqcli's own vocabularies read text in NFC."""

import unicodedata

import numpy as np
import pytest
import small_arpa

from seqcli import tokenizers
from seqcli.interop.formats import arpa
from seqcli.text import Normalisation
from seqcli.tokenizers import words

NFD = [unicodedata.normalize("NFD", word) for word in ("나는", "학교")]
WORDS = {"nfd": NFD, "hanja": ["\uf90a", "\u91d1"], "angstrom": ["5\u212b", "b"], "dots": ["x\u0308", "\xc5"]}


@pytest.mark.parametrize("name", WORDS)
def test_a_foreign_word_is_found_as_it_is_spelled(name, tmp_path):
    kenlm = pytest.importorskip("kenlm")
    a, b = WORDS[name]
    path = tmp_path / "model.arpa"
    path.write_text(small_arpa.text(a=a, b=b))
    judge = kenlm.Model(str(path))
    table, tokenizer, _ = arpa.read(path)
    for text in (f"{a} {b}", unicodedata.normalize("NFC", f"{a} {b}"), unicodedata.normalize("NFD", f"{b} {a}")):
        tokens = tokenizer.encode(f"{text}\n".encode()).tokens
        log10 = table.score(np.append([1], tokens).astype(np.int32))[0][1:] / np.log(10)
        np.testing.assert_allclose(log10, [score for score, _, _ in judge.full_scores(text)], atol=1e-6)
        assert [piece.id for piece in tokenizer.pieces(text)] == tokens[:-1].tolist()
        assert [text[piece.start : piece.end] for piece in tokenizer.pieces(text)] == text.split()


def test_the_form_of_the_text_is_kept_by_folders_and_files(tmp_path):
    foreign = tmp_path / "foreign.arpa"
    foreign.write_text(small_arpa.text(a=NFD[0], b=NFD[1]))
    table, tokenizer, _ = arpa.read(foreign)
    tokenizers.save(tokenizer, tmp_path)
    reopened = tokenizers.load(tmp_path, verify=True)
    arpa.write(tmp_path / "again.arpa", table, reopened)
    assert (tmp_path / "again.arpa").read_text().startswith("\\data\\")
    again = arpa.read(tmp_path / "again.arpa").tokenizer
    arpa.write(tmp_path / "document.arpa", table, reopened, "document")
    document = arpa.read(tmp_path / "document.arpa").tokenizer
    for kept in (reopened, again, document):
        assert kept.normalisation is Normalisation.NONE and kept.fingerprint == tokenizer.fingerprint
        assert kept.encode(f"{NFD[0]} 나는\n".encode()).tokens.tolist() == [3, 0, 2]


def test_our_own_words_read_nfc_after_conversion(tmp_path):
    path = tmp_path / "ours.arpa"
    path.write_text(small_arpa.text(a="나는", b="학교"))
    table = arpa.read(path).table
    own, _ = words.train([" ".join([*NFD, *NFD, NFD[0]]).encode() + b"\n"])
    assert own.vocabulary()[3:] == ["나는", "학교"]
    arpa.write(path, table, own)
    again = arpa.read(path).tokenizer
    assert again.normalisation is Normalisation.NFC
    assert again.encode(f"{NFD[0]} 학교\n".encode()).tokens.tolist() == [3, 4, 2]
