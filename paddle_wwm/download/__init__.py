"""Fetch published models by name. Each is fetched once, checked, converted and stored as a model folder.

    name ─► table of models ─► hub or mirror ─► files, checked ─► converted ─► $PADDLE_WWM_HOME/models/NAME
            (variants)         (hub, network)   (hub)             (arrival)    (home)
                               address, archive, folder
                               (urls, archives)

A model that is stored needs no network::

    from paddle_wwm.download import fetch
    folder = fetch("chinese-roberta-wwm-ext")

`paddle-wwm download` does the same in a shell. HF_ENDPOINT sets a mirror. HF_TOKEN, HF_HUB_OFFLINE,
HF_HUB_DOWNLOAD_TIMEOUT and the proxy variables are also used. modelscope:OWNER/NAME is a model on ModelScope.
"""

from .. import hub_import as _hub_import  # noqa: F401  # before the modules below import huggingface_hub
from ..user_folders import home_folder
from .home import StoredModel, find_stored, stored_models
from .models import Plan, fetch, plan
from .settings import NetworkSettings

__all__ = ["NetworkSettings", "Plan", "StoredModel", "fetch", "find_stored", "home_folder", "plan", "stored_models"]
