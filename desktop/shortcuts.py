"""Every key that does something, in one table: the window binds from it, and Help lists it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum

from PySide6.QtCore import QKeyCombination, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget

from desktop.translation import tr
from desktop.widgets.plain_text import caption

_CHORD = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


def _arrows(held: str = "") -> tuple[str, ...]:
    return tuple(f"{held}{arrow}" for arrow in ("Left", "Right", "Up", "Down"))


_ARROW_KEYS = {
    _arrows(): tr("Arrow keys"),
    _arrows("Shift+"): tr("Shift+arrow keys"),
    _arrows("Ctrl+"): tr("Ctrl+arrow keys"),
}


class Context(StrEnum):
    """Where keys do something; those of the window do so on every page."""

    WINDOW = "window"
    CLASSIFY = "classify"
    MAP = "map"
    LARGE_PHOTO = "large photo"
    LEARN = "learn"
    LABELLING = "labelling"
    CLASSES = "classes"
    MODELS = "models"
    ONE_MODEL = "one model"
    LOG = "log"


class Shortcut(Enum):
    """Where a key does something, what that is, and the keys in Qt's portable writing."""

    SHOW_CLASSIFY = Context.WINDOW, tr("Classify"), "Ctrl+1"
    SHOW_LEARN = Context.WINDOW, tr("Learn"), "Ctrl+2"
    SHOW_MODELS = Context.WINDOW, tr("Models"), "Ctrl+3"
    SHOW_FLEET = Context.WINDOW, tr("Fleet"), "Ctrl+4"
    SHOW_SETTINGS = Context.WINDOW, tr("Settings"), "Ctrl+,"
    SHOW_HELP = Context.WINDOW, tr("Help"), "F1", "?"
    LEAVE = Context.WINDOW, tr("Close a notice or a dialog, or leave settings and help"), "Esc"
    QUIT = Context.WINDOW, tr("Quit"), "Ctrl+Q"

    OPEN_PHOTOS = Context.CLASSIFY, tr("Open photos"), "Ctrl+O"
    OPEN_FOLDER = Context.CLASSIFY, tr("Open a folder of photos"), "Ctrl+Shift+O"
    PASTE = Context.CLASSIFY, tr("Paste photos or a picture"), "Ctrl+V"
    SEARCH_PHOTOS = Context.CLASSIFY, tr("Search"), "Ctrl+F"
    FILTER = Context.CLASSIFY, tr("Filter"), "Ctrl+Shift+F"
    SHOW_ALL = Context.CLASSIFY, tr("Show all photos again, in the gallery"), "Esc"
    SIMILAR = Context.CLASSIFY, tr("Show photos like this one"), "L"
    STACK = Context.CLASSIFY, tr("Open or close the stack"), "S"
    EXPLAIN = Context.CLASSIFY, tr("Show what the answer depends on"), "E"
    SHOW_GRID = Context.CLASSIFY, tr("Show the photos as a grid"), "Ctrl+G"
    SHOW_LIST = Context.CLASSIFY, tr("Show them as a list"), "Ctrl+L"
    SHOW_MAP = Context.CLASSIFY, tr("Show them on a map by likeness"), "Ctrl+M"
    ZOOM = Context.CLASSIFY, tr("Show the photo large"), "Z"
    LABEL_BY_RANK = (
        Context.CLASSIFY,
        tr("Label with that class of the chart"),
        "1",
        "2",
        "3",
        "4",
        "5",
    )
    LABEL_NONE = Context.CLASSIFY, tr("Label with none of these classes"), "0"
    RETRY = Context.CLASSIFY, tr("Classify what failed again"), "Ctrl+Shift+R"
    PAUSE = Context.CLASSIFY, tr("Pause classifying, or go on"), "Ctrl+Shift+P"
    COMPARE = Context.CLASSIFY, tr("Compare the answers of versions"), "Ctrl+Shift+C"
    UNDO_LABEL = (
        Context.CLASSIFY,
        tr("Undo the last label, and those of earlier days after it"),
        "Ctrl+Z",
    )
    SELECT_ALL = Context.CLASSIFY, tr("Select all photos"), "Ctrl+A"
    SELECT_CLASS = Context.CLASSIFY, tr("Select all photos of this class"), "Ctrl+Shift+A"
    RECLASSIFY = Context.CLASSIFY, tr("Classify the selected photos again"), "Ctrl+R"
    REMOVE = Context.CLASSIFY, tr("Remove the selected photos from the gallery"), "Del"
    EXPORT = Context.CLASSIFY, tr("Export the answers"), "Ctrl+E"

    GROW = Context.MAP, tr("Select the nearest photos, and with each press more"), "G"
    MAP_STEP = Context.MAP, tr("Select the photo in that direction"), *_arrows()
    MAP_ADD = Context.MAP, tr("Select that photo as well"), *_arrows("Shift+")
    MAP_MOVE = Context.MAP, tr("Move the map"), *_arrows("Ctrl+")
    MAP_IN = Context.MAP, tr("Zoom in"), "+", "="
    MAP_OUT = Context.MAP, tr("Zoom out"), "-"
    WHOLE_MAP = Context.MAP, tr("The whole map"), "Home"
    LEAVE_MAP = Context.MAP, tr("Select nothing; then back to the gallery"), "Esc"

    LEAVE_LARGE = Context.LARGE_PHOTO, tr("Back to the gallery"), "Esc", "Return", "Enter", "Z"
    EXPLAIN_LARGE = Context.LARGE_PHOTO, tr("Show what the answer depends on"), "E"
    ZOOM_IN = Context.LARGE_PHOTO, tr("Larger"), "+", "="
    ZOOM_OUT = Context.LARGE_PHOTO, tr("Smaller"), "-"
    ZOOM_FIT = Context.LARGE_PHOTO, tr("As large as fits"), "0"
    ZOOM_PIXELS = Context.LARGE_PHOTO, tr("Each pixel of the photo as one of the screen"), "1"
    NEXT_LARGE = (
        Context.LARGE_PHOTO,
        tr("The photo before or after; the part that is seen, if it is larger than the window"),
        "Left",
        "Right",
    )

    UNDO_LEARN = (
        Context.LEARN,
        tr("Undo the last label, and those of earlier days after it"),
        "Ctrl+Z",
    )

    ANSWER = (
        Context.LABELLING,
        tr("Label with the class beside that key"),
        *("1", "2", "3", "4", "5", "6", "7", "8", "9"),
    )
    ANSWER_NONE = Context.LABELLING, tr("None of these classes"), "0"
    SKIP = Context.LABELLING, tr("Skip the photo; keep a doubtful label"), "-"
    TYPE_CLASS = (
        Context.LABELLING,
        tr("Type a class, new or not; every letter begins to, as well"),
        "/",
    )
    ACCEPT = (
        Context.LABELLING,
        tr("The class that is marked, the first that fits what is typed"),
        "Return",
        "Enter",
    )
    TOGGLE = Context.LABELLING, tr("Take a photo out of a group; otherwise like Return"), "Space"
    BACK = Context.LABELLING, tr("The photo before"), "Left"
    FORWARD = Context.LABELLING, tr("The next photo"), "Right"
    BACK_GROUP = Context.LABELLING, tr("The group before"), "Alt+Left"
    FORWARD_GROUP = Context.LABELLING, tr("The next group"), "Alt+Right"

    RENAME_CLASS = Context.CLASSES, tr("Rename the class"), "F2"
    DELETE_CLASS = Context.CLASSES, tr("Delete the class"), "Del"
    SEARCH_CLASSES = Context.CLASSES, tr("Search"), "Ctrl+F", "/"

    NEW_MODEL = Context.MODELS, tr("New model"), "Ctrl+N"
    LEARN_FROM_FOLDER = Context.MODELS, tr("Learn from a folder"), "Ctrl+Shift+O"
    OPEN_MODEL = Context.MODELS, tr("Versions and report of the model"), "Return", "Enter"
    RENAME_MODEL = Context.MODELS, tr("Rename the model"), "F2"
    DELETE_MODEL = Context.MODELS, tr("Delete the model"), "Del"
    BACK_TO_MODELS = Context.ONE_MODEL, tr("Back to the models"), "Esc"

    SEARCH_LOG = Context.LOG, tr("Search"), "Ctrl+F"
    NEXT_HIT = Context.LOG, tr("The next hit"), "Return", "Enter"
    FORMER_HIT = Context.LOG, tr("The hit before"), "Shift+Return", "Shift+Enter"

    def __init__(self, context: Context, meaning: str, *keys: str) -> None:
        self.context = context
        self.meaning = meaning
        self.keys = keys

    @property
    def sequences(self) -> list[QKeySequence]:
        return [QKeySequence(keys) for keys in self.keys]

    @property
    def text(self) -> str:
        """The keys as they are written on this machine; digits by the first and the last."""
        if len(self.keys) > 2 and all(keys.isdigit() for keys in self.keys):
            return tr("{first} to {last}", first=self.keys[0], last=self.keys[-1])
        if self.keys[-1].endswith("Down"):
            return _ARROW_KEYS[self.keys]
        native = QKeySequence.SequenceFormat.NativeText
        # The Enter of the number pad goes without saying.
        shown = [keys for keys in self.sequences if not keys.toString().endswith("Enter")]
        return ", ".join(keys.toString(native) for keys in shown)

    def matches(self, event: QKeyEvent) -> bool:
        """Whether a key press is one of these keys.

        A single character counts by the text that it types, because some keyboards have digits
        above Shift; held keys other than Shift make it another key.
        """
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        for keys in self.keys:
            if len(keys) == 1:
                if event.text().upper() == keys and not held & _CHORD:
                    return True
            elif QKeySequence(keys) == QKeySequence(QKeyCombination(held, Qt.Key(event.key()))):
                return True
        return False


def bind(
    shortcut: Shortcut,
    owner: QWidget,
    act: Callable[[], object] | None = None,
    text: str = "",
) -> QAction:
    """Return an action with these keys, which work while the focus is in `owner`.

    Those of the window work in all of it. `text` is for menus; without one it is the meaning.
    """
    action = QAction(caption(text or shortcut.meaning), owner)
    action.setShortcuts(shortcut.sequences)
    anywhere = shortcut.context is Context.WINDOW
    action.setShortcutContext(
        Qt.ShortcutContext.WindowShortcut
        if anywhere
        else Qt.ShortcutContext.WidgetWithChildrenShortcut
    )
    if act is not None:
        action.triggered.connect(lambda: act())
    owner.addAction(action)
    return action


def menu_text(text: str, shortcut: Shortcut) -> str:
    """Return `text` for a menu, with keys at the right that something else takes."""
    return f"{caption(text, 80)}\t{shortcut.text}"
