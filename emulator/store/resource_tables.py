"""The tables of resources and of keys."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from emulator.store.tables import moment_column


class KeyKind(StrEnum):
    """What a key is for: training and the emulator's own API, prediction, or what its role permits."""

    TRAINING = "Training"
    PREDICTION = "Prediction"
    ROLE = "Role"


class Resource(SQLModel, table=True):
    """A resource besides the default one, whose tier and keys are those of the options.

    tier: a name in `core.rules.tiers.TIERS`.
    """

    name: str = Field(primary_key=True)
    tier: str
    created: datetime = moment_column()


class AccessKey(SQLModel, table=True):
    """A key of a resource.

    hash: the SHA-256 of the key, in hexadecimal. Keys are random numbers of 128 bits, so that a slow hash
    with a salt would protect them no better. resource: its name, also that of the default one. kind: a
    `KeyKind`. name: ``1`` or ``2`` as in Azure, or that of a key with a role. role: `Role.name` of
    `core.rules.roles`.
    """

    __tablename__ = "access_key"
    __table_args__ = (Index("ix_access_key_name", "resource", "kind", "name", unique=True),)

    hash: str = Field(primary_key=True)
    resource: str
    kind: str
    name: str
    role: str | None = None
    created: datetime = moment_column()
