"""The wire contract's rows and the tests that show them. `test_rows.py` holds this table to what there is."""

from tests.conformance.rows_calls import AUTHENTICATION, CALLS, TRANSPORT
from tests.conformance.rows_things import CLIENTS, MODEL, SOCKET, STATUSES, TASKS, TOOLS, WEBHOOK
from tests.conformance.rows_traps import CONFLICTS, TRAPS

SECTIONS = ("0", "1", "2", *(f"3.{number}" for number in range(1, 13)), *(str(number) for number in range(4, 14)))
"""The contract's sections, by its numbers."""
TRAPS_OF = {"0": range(1, 21), "13": range(21, 30)}
"""The numbered traps of each section."""
ROWS = (
    *TRAPS,
    *CONFLICTS,
    *TRANSPORT,
    *AUTHENTICATION,
    *CALLS,
    *TASKS,
    *STATUSES,
    *SOCKET,
    *WEBHOOK,
    *TOOLS,
    *MODEL,
    *CLIENTS,
)
NOT_OURS = {
    "1/97": "balance: nothing is bought here",
    "1/98": "signing in: projects have keys",
    "1/99": "bearer tokens of Wiro's dashboard",
    "1/ip": "IP whitelists: a reverse proxy's business",
    "3.11/zip": "archives are kept as they are, which the README says",
    "5/realtime": "statuses of realtime models",
    "11/search-docs": "MCP's search_docs reads Wiro's own site",
}
"""What the contract notes of Wiro and easel does not do."""
