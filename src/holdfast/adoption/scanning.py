"""Reads one Python file for what it says to Celery; by its syntax alone."""

from __future__ import annotations

import ast
from typing import Any

from celery.app.defaults import _TO_NEW_KEY, NAMESPACES, flatten

from holdfast.adoption.classes import CELERY, names_in
from holdfast.adoption.facts import UNKNOWN, Call, Project, Setting, Source, Task

_KEYS = {name for name, _ in flatten(NAMESPACES)}
_OTHERS = {
    "INSTALLED_APPS", "DATABASES", "ATOMIC_REQUESTS", "ONCE", "CACHES", "USE_TZ", "DJANGO_CELERY_BEAT_TZ_AWARE",
    "HOLDFAST", "DATABASE_ROUTERS",
}  # fmt: skip
_SENDING = {"delay", "apply_async"}
_DELAYED = {"countdown", "eta"}
# Kind, names of what is called, and of what it is called on; none: on anything.
_CALLS: tuple[tuple[str, set[str], set[str]], ...] = (
    (
        "conf",
        {"update", "config_from_object", "add_defaults"},
        {"conf", "app", "celery_app", "celery"},
    ),
    ("on_commit", {"on_commit"}, set()),
    ("delay_on_commit", {"delay_on_commit", "apply_async_on_commit"}, set()),
    ("retry", {"retry"}, {"self", "task"}),
    ("chain", {"chain"}, {"", "celery", "canvas"}),
    ("group", {"group"}, {"", "celery", "canvas"}),
    ("chord", {"chord"}, {"", "celery", "canvas"}),
    ("revoke", {"revoke"}, set()),
    ("purge", {"purge"}, {"control"}),
    ("lock", {"add", "lock"}, {"cache", "redis", "redis_client", "client", "conn", "r"}),
    ("send_task", {"send_task"}, set()),
    ("broadcast", {"Broadcast"}, set()),
)
_HOOKS = {"__call__", "before_start"}
_SIGNALS = {
    "before_task_publish",
    "after_task_publish",
    "task_prerun",
    "task_postrun",
    "task_received",
}


def scan(source: Source, into: Project) -> None:
    """Note what a file says."""
    _Scan(source, into).visit(source.tree)


def celery_key(name: str) -> str:
    """Return Celery's name of today for a setting as it is written, with or without a namespace; empty: it is none."""
    for bare in (name.removeprefix("CELERY_").lower(), name.lower() if name.islower() else ""):
        if bare in _KEYS:
            return bare
    new: str = _TO_NEW_KEY.get(name, "")
    return new


class _Scan(ast.NodeVisitor):
    def __init__(self, source: Source, into: Project) -> None:
        self._source = source
        self._into = into
        self._in_task = 0
        self._names = names_in(source.tree)

    def _call(self, kind: str, node: ast.AST, detail: str = "") -> None:
        self._into.calls.append(Call(kind, self._source.place(node), detail))

    # -- settings ---------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._setting(target, node.value, node)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._setting(node.target, node.value, node)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._setting(node.target, node.value, node)
        self.generic_visit(node)

    def _setting(self, target: ast.expr, value: ast.expr, node: ast.AST) -> None:
        if isinstance(target, ast.Name) and target.id.isupper():
            key = celery_key(target.id)
            if key or target.id in _OTHERS or target.id.endswith("APPS"):
                self._note(key or target.id, target.id, value, node)
            elif "CELERY" in target.id:
                self._dictionary(target.id, value)
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            name = _name(target.value)
            if name == "conf" or ("CELERY" in name and not celery_key(name)):
                self._one(str(target.slice.value), value, node)
        elif (
            isinstance(target, ast.Attribute)
            and _name(target.value) == "conf"
            and (key := celery_key(target.attr))
        ):
            self._note(key, target.attr, value, node)

    def _dictionary(self, name: str, value: ast.expr) -> None:
        """Note what one dictionary says of all settings, as `CELERY = {"broker_url": ...}` does."""
        if isinstance(value, ast.Dict):
            for key, each in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant):
                    self._one(str(key.value), each, key, name)
                elif key is None:
                    self._dictionary(name, each)
        elif isinstance(value, ast.Call) and _name(value.func) == "dict":
            for inner in value.args:
                self._dictionary(name, inner)
            for word in value.keywords:
                if word.arg:
                    self._one(word.arg, word.value, word, name)
        elif isinstance(value, ast.BinOp):
            self._dictionary(name, value.left)
            self._dictionary(name, value.right)

    def _one(self, key: str, value: ast.expr, node: ast.AST, name: str = "") -> None:
        if known := celery_key(key):
            self._note(known, name or key, value, node)

    def _note(self, key: str, name: str, value: ast.expr, node: ast.AST) -> None:
        place = self._source.place(node)
        self._into.settings.append(Setting(key, name, _literal(value), place, _url_in(value)))

    # -- tasks ------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        made = next((one for one in node.decorator_list if _makes_task(one)), None)
        if made is not None:
            options = _options(made)
            base = str(options.pop("base", "") or "")
            task = Task(node.name, options, base, self._source.place(node))
            self._into.tasks.append(task)
        for one in node.decorator_list:
            func = one.func if isinstance(one, ast.Call) else one
            if _name(func) == "connect" and _owner(func) in _SIGNALS:
                self._call("signal", one, _owner(func))
        self._in_task += made is not None
        self.generic_visit(node)
        self._in_task -= made is not None

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  # ast's name

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(map(self._names.hold, node.bases)):
            self._call("celery class", node, node.name)
        bases = [_name(base) for base in node.bases]
        if any(
            base == "Task" or base.endswith(("Task", "QueueOnce", "Singleton")) for base in bases
        ):
            options = {
                target.id: _literal(each.value)
                for each in node.body
                if isinstance(each, ast.Assign)
                for target in each.targets
                if isinstance(target, ast.Name)
            }
            self._call("base", node, node.name)
            for each in node.body:
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name in _HOOKS:
                    self._call(
                        "hook" if _calls_super(each) else "hook without super", each, each.name
                    )
            if any(getattr(each, "name", "") == "run" for each in node.body):
                place = self._source.place(node)
                self._into.tasks.append(Task(node.name, options, bases[0], place))
        if any("Router" in base for base in [*bases, node.name]) and any(
            getattr(each, "name", "") == "route_for_task" for each in node.body
        ):
            self._call("router", node, node.name)
        self.generic_visit(node)

    # -- calls ------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        # A call of what a call has returned, as `chord(header)(body)` is, was seen with the inner one.
        name = "" if isinstance(node.func, ast.Call) else _name(node.func)
        owner = _owner(node.func)
        keywords = {word.arg: word.value for word in node.keywords if word.arg}
        kind = _kind_of(name, owner)
        if self._makes_app(node, name):
            first = _literal(node.args[0]) if node.args else keywords.get("main", "")
            first = _literal(first) if isinstance(first, ast.expr) else first
            self._into.apps.append(Call("app", self._source.place(node), str(first)))
        elif kind == "conf":
            for key, value in keywords.items():
                self._one(key, value, node)
            for one in [*node.args, *(word.value for word in node.keywords if word.arg is None)]:
                self._dictionary("conf", one)
        elif kind == "on_commit":
            if any(map(_sends, node.args)):
                self._call(kind, node)
        elif kind and (kind != "lock" or self._in_task):
            self._call(kind, node)
        if keywords.keys() & _DELAYED and name in {"apply_async", "set"}:
            word = "eta" if "eta" in keywords else "countdown"
            self._call("delayed", node, f"{word}={_seconds(keywords[word])}")
        self.generic_visit(node)

    def _makes_app(self, node: ast.Call, name: str) -> bool:
        """Tell whether a call makes an app, by Celery's class or one of the project's own that is made of it."""
        if self._names.hold(node.func) or (
            name == CELERY
            and not self._into.app_classes & {CELERY}
            and isinstance(node.func, ast.Name)
        ):
            self._call("celery class", node, CELERY)
            return True
        return bool(name) and name in self._into.app_classes


def _kind_of(name: str, owner: str) -> str:
    return next(
        (
            kind
            for kind, names, owners in _CALLS
            if name in names and (not owners or owner in owners)
        ),
        "",
    )


def _makes_task(decorator: ast.expr) -> bool:
    func = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(func, ast.Attribute):
        # Django's own tasks are made by `@task` of django.tasks, without an app before it.
        return func.attr == "task" and _name(func.value) not in {"tasks", "django_tasks"}
    return isinstance(func, ast.Name) and func.id in {"shared_task", "periodic_task", "task"}


def _options(decorator: ast.expr) -> dict[str, Any]:
    if not isinstance(decorator, ast.Call):
        return {}
    return {
        word.arg: _name(word.value) if word.arg == "base" else _literal(word.value)
        for word in decorator.keywords
        if word.arg
    }


def _calls_super(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == function.name
        and isinstance(node.value, ast.Call)
        and _name(node.value.func) == "super"
        for node in ast.walk(function)
    )


def _sends(node: ast.AST) -> bool:
    """Tell whether something sends a job, as `lambda: task.delay(1)` and `partial(task.delay, 1)` do."""
    return any(isinstance(one, ast.Attribute) and one.attr in _SENDING for one in ast.walk(node))


def _seconds(node: ast.expr) -> str:
    value = _literal(node)
    return "?" if value is UNKNOWN else str(value)


def _owner(node: ast.AST) -> str:
    """Return what an attribute is one of; empty for a plain name."""
    return _name(node.value) if isinstance(node, ast.Attribute) else ""


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.expr) -> Any:
    """Return a value that stands there; of a sum or product of numbers its value, of a list what is known of it."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(one) for one in node.elts]
    if isinstance(node, ast.Dict):
        return {
            _literal(key) if key is not None else UNKNOWN: _literal(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is None or isinstance(key, ast.Constant)
        }
    return _of_two(node) if isinstance(node, ast.BinOp) else UNKNOWN


def _of_two(node: ast.BinOp) -> Any:
    left, right = _literal(node.left), _literal(node.right)
    lists = [isinstance(one, list | tuple) for one in (left, right)]
    if (
        isinstance(node.op, ast.Mult)
        and isinstance(left, int | float)
        and isinstance(right, int | float)
    ):
        return left * right
    # Of a sum of lists one of which stands elsewhere, what stands here.
    if isinstance(node.op, ast.Add) and any(lists):
        parts = zip((left, right), lists, strict=True)
        return [one for part, known in parts for one in (part if known else [UNKNOWN])]
    return UNKNOWN


def _url_in(node: ast.expr) -> str:
    """Return an address that stands in an expression, such as the default of a setting from the environment."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and "://" in one.value:
            return one.value
    return ""
