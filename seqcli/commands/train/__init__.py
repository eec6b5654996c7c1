"""`seqcli train`: a tokenizer, or a model of text, from text."""

import typer

from seqcli.commands.options import Command, Group
from seqcli.commands.train.classifier import classifier
from seqcli.commands.train.lm import lm
from seqcli.commands.train.tokenizer import tokenizer
from seqcli.commands.train.translator import translator

app = typer.Typer(cls=Group, help="Train a tokenizer or a model.", no_args_is_help=True, rich_markup_mode=None)
for command in (tokenizer, lm, classifier, translator):
    app.command(command.__name__, cls=Command)(command)
