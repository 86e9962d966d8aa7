"""From a folder of face frames to what is trained on it."""

from dataclasses import replace

from fiancee_hub.core.domain import Domain
from fiancee_hub.core.errors import DataError
from fiancee_hub.families.faces.judging.judge import FacesJudge
from fiancee_hub.families.faces.training.backbone import PortraitSettings
from fiancee_hub.families.faces.training.pairs import FaceFolder
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.training.task import TrainingRequest


def task_of(request: TrainingRequest) -> FacesTask:
    """What is trained on a prepared folder.

    Raises:
        DataError: another size or backbone is asked for, which faces do not have.
    """
    if request.size or (request.backbone and request.backbone.family != "faces"):
        raise DataError(f"{request.data} holds faces: they have a size and a backbone of their own")
    settings = PortraitSettings(workers=request.workers)
    if request.batch_size:
        settings = replace(settings, batch_size=request.batch_size)
    domain = request.domains[0] if request.domains else Domain()
    folder = FaceFolder(request.data)
    return FacesTask(folder, settings=settings, domain=domain, make_judge=FacesJudge)
