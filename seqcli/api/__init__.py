"""The Python interface: `models` opens and uses models, `training` trains them. `import seqcli` offers both."""
