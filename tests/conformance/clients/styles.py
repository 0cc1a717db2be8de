"""Every style the contract names."""

from tests.conformance.clients.alt import Alt
from tests.conformance.clients.backends import NodeFunction, PythonBackend
from tests.conformance.clients.base import Client
from tests.conformance.clients.dart import Dart
from tests.conformance.clients.docs import Docs, Llms
from tests.conformance.clients.docs_csharp import DocsCSharp
from tests.conformance.clients.docs_kotlin import DocsKotlin
from tests.conformance.clients.go import Go
from tests.conformance.clients.kotlin import Kotlin
from tests.conformance.clients.mcp import Mcp
from tests.conformance.clients.n8n import N8n
from tests.conformance.clients.newer_page import NewerPage
from tests.conformance.clients.page import Page
from tests.conformance.clients.react_native import ReactNative
from tests.conformance.clients.swift import Swift

STYLES: tuple[type[Client], ...] = (
    *(Mcp, ReactNative, Dart, Kotlin, Swift, N8n, Alt, Page, NewerPage),
    *(Docs, DocsKotlin, DocsCSharp, Llms, Go, PythonBackend, NodeFunction),
)
