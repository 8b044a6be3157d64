"""Who asks, and what he may: the permissions of an app, or of nobody."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from graphql import GraphQLError, GraphQLResolveInfo

from sandbox.model import App
from sandbox.requestlog import Mutation

if TYPE_CHECKING:
    from sandbox.state import State


class PermissionDenied(GraphQLError):
    """Saleor's answer to whoever lacks a permission: an error with HTTP 200."""


@dataclass(kw_only=True)
class Context:
    """One request, or one webhook payload in the making; `app` is None for a stranger.

    Mutations note here what they were asked to write, for the request log.
    """

    shop: "State"
    app: App | None
    mutations: list[Mutation] = field(default_factory=list)

    @property
    def permissions(self) -> tuple[str, ...]:
        """Return what the asking app holds."""
        return () if self.app is None else self.app.permissions


def require(info: GraphQLResolveInfo[Any], *permissions: str) -> None:
    """Refuse whoever holds none of these."""
    context: Context = info.context
    if not set(permissions) & set(context.permissions):
        denied(*permissions)


def own_app(info: GraphQLResolveInfo[Any]) -> App:
    """Return the asking app as it stands now; refuse whoever is none."""
    context: Context = info.context
    if context.app is None:
        denied("MANAGE_APPS", "AUTHENTICATED_APP")
    return context.shop.store.apps[context.app.id]


def denied(*permissions: str) -> NoReturn:
    """Refuse in Saleor's words."""
    if not permissions:
        raise PermissionDenied("You do not have permission to perform this action")
    listed = ", ".join(permissions)
    raise PermissionDenied(f"To access this path, you need one of the following permissions: {listed}")
