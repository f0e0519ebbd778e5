"""The models there are, and the chosen one on its way into memory."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QObject, pyqtSignal

from seg_editor.errors import told
from seg_editor.session.live import RunTimes
from seg_editor.ui.backend import Backend, ModelInfo
from seg_editor.ui.bind import bind
from seg_editor.ui.orders import fitting_preset
from seg_editor.ui.sampler import Sampler
from seg_editor.ui.state import GenerationSettings

_RELOADS = ("model", "device")
_SOUGHT = "The models are still being looked up"


class Models(QObject):
    """Lists the models and keeps the one that the settings name loaded, in the sampler's thread.

    Signals
    -------
    changed()
        Models, problem or device changed.
    loaded()
        The chosen model is there.
    failed(object)
        An exception to show.

    Parameters
    ----------
    times : RunTimes
        Told what a network pass takes, as found while loading.
    """

    changed = pyqtSignal()
    loaded = pyqtSignal()
    failed = pyqtSignal(object)

    def __init__(
        self,
        backend: Backend,
        settings: GenerationSettings,
        sampler: Sampler,
        times: RunTimes,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._backend, self._settings, self._sampler, self._times = backend, settings, sampler, times
        self._known: tuple[ModelInfo, ...] = ()
        self._problem, self._device = _SOUGHT, ""
        sampler.loaded.connect(self._on_loaded)
        sampler.load_failed.connect(self._on_failed)
        bind(self, settings.changed, self._on_setting)

    @property
    def known(self) -> Sequence[ModelInfo]:
        """The models to choose from."""
        return self._known

    @property
    def problem(self) -> str:
        """Why nothing can be generated; empty when it can."""
        return self._problem

    @property
    def device(self) -> str:
        """What the chosen model runs on, such as ``CPU``; empty before it is loaded."""
        return self._device

    def find(self) -> None:
        """List the models and load the chosen one in the background."""
        try:
            self._known = tuple(self._backend.models())
        except Exception as error:
            self._problem = f"No model can be used: {told(error).rstrip('.')}"
            self.failed.emit(error)
        else:
            self._problem = "" if self._known else "No model is installed: add one under resources/models"
        names = [model.name for model in self._known]
        if names and self._settings.model not in names:
            self._settings.model = names[0]
        elif names:
            self._load()
        self.changed.emit()

    def note_pass(self, model: str, device: str) -> None:
        """Remember what a network pass of a model that is loaded takes."""
        self._times.suppose(model, device, self._backend.pass_seconds(model, device))

    def _load(self) -> None:
        self._sampler.load(self._settings.model, self._settings.device)

    def _on_setting(self, name: str) -> None:
        if name == "model":
            self._settings.preset = fitting_preset(self._known, self._settings)
        if name in _RELOADS and self._known:
            self._problem = ""
            self._load()

    def _chosen(self, model: str, device: str) -> bool:
        return (model, device) == (self._settings.model, self._settings.device)

    def _on_loaded(self, model: str, device: str, title: str) -> None:
        self.note_pass(model, device)
        if self._chosen(model, device):
            self._problem, self._device = "", title
            self.loaded.emit()
        self.changed.emit()

    def _on_failed(self, model: str, device: str, error: object) -> None:
        if self._chosen(model, device):
            self._problem = f"{model} cannot be used"
            self.failed.emit(error)
            self.changed.emit()
