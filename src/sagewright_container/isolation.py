"""Python modules of several models in one interpreter: each model imports its own ``inference``, ``helpers`` and packages.

A model's modules are found in its own folders. ``import`` in them goes through a function of the model's (``__import__`` of
the builtins that its modules get), so that it means the model's own modules at any time, whatever others do. While a model is
loaded, and while it answers unless another is being loaded, its modules also stand in ``sys.modules``, where pickles and
``importlib`` look; otherwise they are not there.
"""

import builtins
import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set

from . import paths, sources

_CURRENT: "ContextVar[Optional[Space]]" = ContextVar("space", default=None)
STANDARD = frozenset(getattr(sys, "stdlib_module_names", ())) | frozenset(sys.builtin_module_names)


def current() -> "Optional[Space]":
    """The model whose code runs in this thread; None outside of a multi-model server."""
    return _CURRENT.get()


class _Names:
    """Who has his modules in ``sys.modules``: one model at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting = 0
        self._counting = threading.Lock()
        self.holder: "Optional[Space]" = None
        self._depth = 0

    def take(self, space: "Space", wait: bool) -> bool:
        """Whether ``space`` has them now. Without ``wait``, those who wait for a load go first."""
        if wait:
            with self._counting:
                self._waiting += 1
            self._lock.acquire()
            with self._counting:
                self._waiting -= 1
        elif self._waiting or not self._lock.acquire(blocking=False):
            return False
        if self._depth and self.holder is not space:  # this thread runs another model's code: cannot be, but must not hang
            self._lock.release()
            return False
        self._depth += 1
        if self._depth == 1:
            self.holder = space
            space._install()
        return True

    def give(self, space: "Space") -> None:
        self._depth -= 1
        if not self._depth:
            space._uninstall()
            self.holder = None
        self._lock.release()


_NAMES = _Names()


class _Finder:
    """On ``sys.meta_path``: finds the modules of the model that has the names."""

    @staticmethod
    def find_spec(name: str, path: Optional[Sequence[str]] = None, target: Any = None) -> Any:
        space = _NAMES.holder
        return None if space is None or space is not _CURRENT.get() else space._find(name, path)


class _Loader(importlib.machinery.SourceFileLoader):
    """Gives a model's modules its own ``import``."""

    space: "Space"

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self.space.builtins
        super().exec_module(module)


class Space:
    """One model's modules.

    Args:
        name: of the model, safe as a folder name.
        folder: the model's folder.
    """

    def __init__(self, name: str, folder: str) -> None:
        self.name, self.folder = name, folder
        self.builtins: Dict[str, Any] = {**vars(builtins), "__import__": self._import}
        self._folders: List[str] = []
        self._modules: Dict[str, ModuleType] = {}
        self._tops: Set[str] = set()
        self._shadowed: Dict[str, ModuleType] = {}
        self._count = 0
        own = type("_OwnLoader", (_Loader,), {"space": self})
        self._loaders = [
            (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
            (own, importlib.machinery.SOURCE_SUFFIXES),
            (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
        ]

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """The model is loaded: its modules are where everybody looks. One load at a time."""
        with self._named(wait=True):
            yield

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The model answers."""
        with self._named(wait=False):
            yield

    def expose(self, *folders: str) -> None:
        """Import from these folders before anywhere else, with the packages that the first one's requirements.txt asks for."""
        packages = sources.install_for_workers(folders[0], os.path.join(paths.packages(), self.name))
        for folder in (*folders, *packages):
            if folder not in self._folders and os.path.isdir(folder):
                self._folders.append(folder)
                self._tops |= {top for top in map(_top, os.listdir(folder)) if top and top not in STANDARD}
        if _NAMES.holder is self:
            self._shadow()

    @contextlib.contextmanager
    def _named(self, wait: bool) -> Iterator[None]:
        token = _CURRENT.set(self)
        place = paths.MODEL.set(self.folder)
        taken = (wait or bool(self._tops)) and _NAMES.take(self, wait)
        try:
            yield
        finally:
            if taken:
                _NAMES.give(self)
            paths.MODEL.reset(place)
            _CURRENT.reset(token)

    # -- sys.modules

    def _install(self) -> None:
        if _Finder not in sys.meta_path:
            sys.meta_path.insert(0, _Finder)
        self._shadow()
        sys.modules.update(self._modules)
        self._count = len(sys.modules)

    def _shadow(self) -> None:
        """Put aside what others call by the names of the model's modules."""
        if not any(top in sys.modules for top in self._tops):
            return
        for name in [name for name in sys.modules if name.partition(".")[0] in self._tops]:
            if sys.modules[name] is not self._modules.get(name) and not self._mine(sys.modules[name]):
                self._shadowed[name] = sys.modules.pop(name)

    def _mine(self, module: ModuleType) -> bool:
        where = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "")
        return any(where.startswith(folder + os.sep) for folder in self._folders)

    def _uninstall(self) -> None:
        if len(sys.modules) != self._count or self._shadowed:
            for name in [name for name in sys.modules if name.partition(".")[0] in self._tops]:
                self._modules[name] = sys.modules[name]
        for name in self._modules:
            sys.modules.pop(name, None)
        sys.modules.update(self._shadowed)
        self._shadowed.clear()

    def _find(self, name: str, path: Optional[Sequence[str]]) -> Any:
        if name.partition(".")[0] not in self._tops:
            return None
        for folder in self._folders if path is None else path:
            finder = importlib.machinery.FileFinder(folder, *self._loaders)
            spec = finder.find_spec(name)
            if spec is not None and (spec.loader is not None or path is None):
                return spec
        return None

    # -- the model's own ``import``

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        whole = name
        if level:
            package = (globals or {}).get("__package__") or ""
            whole = importlib.util.resolve_name("." * level + name, package)
        if whole.partition(".")[0] not in self._tops:
            return builtins.__import__(name, globals, locals, fromlist, level)
        found = self._known(whole, name, fromlist, level)
        if found is not None:
            return found
        with self._named(wait=True):
            return builtins.__import__(name, globals, locals, fromlist, level)

    def _known(self, whole: str, name: str, fromlist: Any, level: int) -> Optional[ModuleType]:
        """What the statement binds, when all of it has been imported before."""
        module = self._modules.get(whole)
        if module is None or (not fromlist and level):
            return None
        if not fromlist:
            return self._modules.get(whole.partition(".")[0])
        return module if all(item != "*" and hasattr(module, item) for item in fromlist) else None


def _top(entry: str) -> str:
    """The name by which something in a folder of modules is imported; empty for what is none."""
    stem = entry.partition(".")[0]
    known = any(entry.endswith(suffix) for suffix in importlib.machinery.all_suffixes())
    return stem if stem.isidentifier() and stem != "__pycache__" and (known or "." not in entry) else ""
