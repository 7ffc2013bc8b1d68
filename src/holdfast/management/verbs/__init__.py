"""The verbs of `manage.py holdfast`, one module each; a module here is a verb, and nothing else need be told of it.

`dead_letters.py` is the verb `dead-letters`. A module has a docstring, whose first line is the help, and

    def add_arguments(parser: CommandParser) -> None: ...
    def run(options: dict[str, Any], terminal: Terminal) -> None: ...

A verb with verbs of its own takes them from `holdfast.management.words.choice`. What a verb prints goes through
its `Terminal`; what it refuses it raises as `CommandError`, or as any error of Holdfast.
"""
