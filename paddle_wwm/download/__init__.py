"""Published weights, fetched once, checked, converted, and kept: a name goes in, a model folder comes out.

    name ─► table of models ─► hub or mirror ─► files, checked ─► converted ─► $PADDLE_WWM_HOME/models/NAME
            (variants)         (hub, network)   (hub)             (arrival)    (home)
                               address, archive, folder
                               (urls, archives)

A model that is here needs no network::

    from paddle_wwm.download import fetch
    folder = fetch("chinese-roberta-wwm-ext")

`paddle-wwm download` is the same for a shell. HF_ENDPOINT names a mirror; HF_TOKEN, HF_HUB_OFFLINE,
HF_HUB_DOWNLOAD_TIMEOUT and the proxy variables are honoured.
"""

from .home import StoredModel, find_stored, home_folder, stored_models
from .models import Plan, fetch, plan
from .network import NetworkSettings

__all__ = ["NetworkSettings", "Plan", "StoredModel", "fetch", "find_stored", "home_folder", "plan", "stored_models"]
