"""The roles that a server can play, right and wrong ones: `estctl server --scenario NAME`.

One file a subject; each has its SCENARIOS. A new one needs a builder of a Stage and a line there.
"""

from estctl.server.scenarios import (
    attackers,
    chains,
    enrolment,
    key_update,
    revocation,
    tls_server,
)
from estctl.server.scenarios.scene import Play, Scenario, Scene
from estctl.server.settings import SettingsError

__all__ = ["CATALOGUE", "ORDINARY", "Play", "Scenario", "Scene", "find"]

# Without --scenario: the CA of the folder, and nothing wrong.
ORDINARY = Scenario("", "", lambda scene: Play((scene.usual,)))
CATALOGUE = {
    scenario.name: scenario
    for scenario in (
        *chains.SCENARIOS,
        *enrolment.SCENARIOS,
        *tls_server.SCENARIOS,
        *attackers.SCENARIOS,
        *key_update.SCENARIOS,
        *revocation.SCENARIOS,
    )
}


def find(name: str | None) -> Scenario:
    """Return a scenario by its name. Raises SettingsError, which lists the names."""
    if name is None:
        return ORDINARY
    try:
        return CATALOGUE[name]
    except KeyError:
        known = ", ".join(CATALOGUE)
        raise SettingsError(f"there is no scenario {name!r}; there are {known}") from None
