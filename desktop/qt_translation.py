"""Qt's own texts, such as those of a file dialog, in the language of the window."""

from __future__ import annotations

import locale

from PySide6.QtCore import QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from desktop.translation import current_language


def translate_qt(application: QApplication) -> None:
    """Have Qt speak the language of the window, and write numbers and dates as it does.

    Where Qt came without that language, its texts stay English.
    """
    language = QLocale(current_language())
    QLocale.setDefault(language)
    translator = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(language, "qtbase", "_", folder):
        application.installTranslator(translator)


def keep_system_errors_english() -> None:
    """Have the system's reasons, such as *No such file or directory*, be English again.

    A QApplication makes the C library speak the language of the person's session. Its reasons
    stand within sentences, most of them of services, that are English.
    """
    locale.setlocale(locale.LC_MESSAGES, "C")
