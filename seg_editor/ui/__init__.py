"""The window: PyQt6 and pyqtgraph live here and nowhere else. Import the modules; this package imports none."""
