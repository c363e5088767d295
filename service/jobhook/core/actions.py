"""What a rule runs: one Hub Job, as data that no stranger can shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from jobhook.core.errors import UsageError
from jobhook.core.inlining import FILES_VARIABLE
from jobhook.core.jobs import NAMESPACE, JobSpec, Network, Volume
from jobhook.core.names import is_id
from jobhook.core.payloads import Payload
from jobhook.core.strict import Strict, fault
from jobhook.core.templates import Plain, Templated, Values, asks_of, render_env, render_labels
from jobhook.core.timeouts import parse_timeout
from jobhook.core.tokens import looks_secret
from jobhook.core.uv import Uv, Word
from jobhook.core.uv_runs import UV_IMAGE

INJECTED_PREFIXES = ("WEBHOOK_", "JOBHOOK_")
OUR_LABELS = "jobhook-"

_WAYS = ("image", "uv", "from_job")


def _seconds(value: object) -> object:
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return parse_timeout(value)
        except UsageError as exc:
            raise fault(str(exc), code="bad-timeout") from exc
    return value


def _once(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        raise fault(
            "is always 1: a job that the Hub runs again by itself would be paid for twice; "
            "`jobhook launches retry` launches one once more"
        )
    return value


def _source(text: str) -> str:
    namespace, slash, job_id = text.rpartition("/")
    if not is_id(job_id) or (slash and not NAMESPACE.fullmatch(namespace)):
        raise fault(f"{text[:120]!r} is no job: write its id, or `namespace/id`", code="bad-job")
    return text


def _payload(value: object) -> object:
    return Payload(value) if isinstance(value, str) and value in list(Payload) else value


Timeout = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["2h"]}),
]


PayloadWord = Annotated[Payload, BeforeValidator(_payload), WithJsonSchema({"enum": list(Payload)})]


class VolumeBlock(Strict):
    """A bucket or repo that the job finds in its file system."""

    type: Literal["bucket", "model", "dataset", "space"] = Field(description="What is mounted.")
    source: Plain = Field(description="Its name, `owner/name`.")
    mount_path: Plain = Field(alias="mountPath", description="Where the job finds it.")
    revision: Plain | None = Field(default=None, description="Of a repo: main if it is not said.")
    read_only: bool | None = Field(
        default=None, alias="readOnly", description="Repos always are; buckets if it is said."
    )
    path: Plain | None = Field(default=None, description="The folder in it that is mounted.")


class NetworkBlock(Strict):
    """The jobs that reach one another."""

    group: Plain = Field(description="Their common name.")
    aliases: tuple[Plain, ...] = Field(
        default=(), strict=False, description="Names that this one answers to among them."
    )


class Action(Strict):
    """One Hub Job that a rule launches."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [way]} for way in _WAYS],
            "dependentRequired": {
                "image": ["command"],
                "command": ["image"],
                "args": ["image"],
            },
        }
    )

    image: Plain | None = Field(
        default=None,
        description="A Docker image, or the URL of a Space.",
        examples=["python:3.12"],
    )
    uv: Uv | None = Field(default=None, description="A Python script in place of a command.")
    from_job: Annotated[Plain, AfterValidator(_source)] | None = Field(
        default=None,
        description="The id of a job whose image, command, env, flavor, timeout and labels it has.",
    )
    command: tuple[Word, ...] = Field(
        default=(), strict=False, description="What runs, word by word; no shell, no templates."
    )
    args: tuple[Word, ...] = Field(
        default=(), strict=False, description="Words that follow the command; no templates."
    )
    flavor: Plain = Field(default="cpu-basic", description="The Hub's name for the hardware.")
    timeout: Timeout = Field(default=1800, description="Seconds, or a number with s, m, h or d.")
    env: dict[str, Templated] = Field(
        default={}, description="Readable by all who may see the job; may hold `${{ repo.name }}`."
    )
    secrets: tuple[Plain, ...] = Field(
        default=(),
        strict=False,
        description="Names; the service hands over its JOBHOOK_SECRET_<NAME>.",
    )
    labels: dict[str, Templated] = Field(
        default={}, description="For finding the job; may hold `${{ repo.name }}`."
    )
    payload: PayloadWord = Field(
        default=Payload.FULL,
        description="How much of the delivery WEBHOOK_PAYLOAD holds: what routes it is minimal.",
    )
    namespace: Plain | None = Field(
        default=None, description="The user or org that it runs in: else the service's own."
    )
    volumes: tuple[VolumeBlock, ...] = Field(
        default=(), strict=False, description="Buckets and repos that it finds as folders."
    )
    expose: tuple[int, ...] = Field(
        default=(), strict=False, description="Ports that whoever may see the job can reach."
    )
    expose_public: tuple[int, ...] = Field(
        default=(), strict=False, description="Ports that everybody can reach."
    )
    ssh: bool = Field(default=False, description="Whether one may log in to it.")
    resource_group_id: Plain | None = Field(
        default=None, description="The group of the org that pays."
    )
    network: NetworkBlock | None = Field(default=None, description="Other jobs that it reaches.")
    arch: Literal["amd64", "arm64"] | None = Field(
        default=None, description="The kind of processor, if it matters."
    )
    attempts: Annotated[int, BeforeValidator(_once), WithJsonSchema({"const": 1})] = Field(
        default=1, description="Always 1: the Hub must not run a job again by itself."
    )

    @field_validator("env")
    @classmethod
    def _holds_no_secret(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if looks_secret(name, value):
                raise fault(
                    f"the value of {name[:120]} looks like a token, and env can be read by all who "
                    "may see the job: hand it over in `secrets`",
                    code="secret-in-env",
                    at=(name,),
                )
        return env

    @field_validator("env", "secrets")
    @classmethod
    def _keeps_off_our_names(cls, names: Iterable[str]) -> Iterable[str]:
        for index, name in enumerate(names):
            if name.startswith(INJECTED_PREFIXES):
                raise fault(
                    f"{name}: names with {' or '.join(INJECTED_PREFIXES)} are injected",
                    code="reserved-name",
                    at=(name if isinstance(names, dict) else index,),
                )
        return names

    @field_validator("labels")
    @classmethod
    def _keeps_off_our_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for key in labels:
            if key.startswith(OUR_LABELS):
                raise fault(
                    f"{key}: labels with {OUR_LABELS} are how jobhook finds its jobs",
                    code="reserved-name",
                    at=(key,),
                )
        return labels

    @model_validator(mode="after")
    def _runs_one_thing(self) -> Self:
        ways = [way for way in _WAYS if getattr(self, way) is not None]
        if len(ways) != 1:
            told = " and ".join(f"`{way}`" for way in ways) or "none"
            raise fault(
                f"say exactly one of `image`, `uv` and `from_job`: here is {told}",
                code="bad-job" if ways else "missing-key",
            )
        if self.image is not None and not self.command:
            raise fault(
                "`command` is missing: write, for instance, `command: [python, train.py]`",
                code="missing-key",
            )
        if self.image is None and (self.command or self.args):
            other = "`uv.args` holds the script's words" if self.uv else "they are the job's own"
            raise fault(
                f"`command` and `args` go with `image` only: {other}",
                code="bad-job",
                at=("command" if self.command else "args",),
            )
        return self

    @model_validator(mode="after")
    def _fits_the_hub(self) -> Self:
        for name in self.env:
            if name in self.secrets:
                raise fault(
                    f"{name} stands in env and in secrets: keep one",
                    code="reserved-name",
                    at=("env", name),
                )
        try:
            self._own(self.env, {}, _ANY.image, _ANY.command)
            self.spec({}, source=_ANY)
        except UsageError as exc:
            raise fault(str(exc), code="bad-job") from exc
        return self

    @property
    def asks(self) -> frozenset[str]:
        """What the Hub has to be asked for before its templates can be filled in."""
        texts = (*self.env.values(), *self.labels.values())
        return frozenset(name for text in texts for name in asks_of(text))

    @property
    def source_job(self) -> str | None:
        """The job that it repeats, as an id or `namespace/id`, if it repeats one."""
        return self.from_job

    def spec(self, values: Values, *, source: JobSpec | None = None) -> JobSpec:
        """
        Return the job as the rule asks for it; the secrets have names only.

        *values* are what templates stand for, and *source* is the job that `source_job` names.
        Neither the secrets nor the volumes of that one are carried over.
        """
        env, labels = render_env(self.env, values), render_labels(self.labels, values)
        if self.uv is not None:
            return self._own({**env, **self.uv.env}, labels, UV_IMAGE, self.uv.command)
        if self.image is not None:
            return self._own(env, labels, self.image, self.command)
        if source is None:
            raise UsageError(f"job {self.from_job} is not known")
        said = self.model_fields_set
        return replace(
            self._own(
                {**self._kept(source.env), **env},
                {**_without(source.labels, OUR_LABELS), **labels},
                source.image,
                source.command,
            ),
            args=source.args,
            flavor=self.flavor if "flavor" in said else source.flavor,
            timeout=self.timeout if "timeout" in said else source.timeout,
        )

    def _kept(self, env: Mapping[str, str]) -> Mapping[str, str]:
        # What the rule hands over as a secret must not stand beside it for all to read. The files
        # that the job's command unpacks belong to the command.
        kept = _without(env, INJECTED_PREFIXES)
        kept |= {name: env[name] for name in (FILES_VARIABLE,) if name in env}
        return {name: value for name, value in kept.items() if name not in self.secrets}

    def _own(
        self,
        env: Mapping[str, str],
        labels: Mapping[str, str],
        image: str,
        command: tuple[str, ...],
    ) -> JobSpec:
        return JobSpec(
            namespace=self.namespace,
            image=image,
            command=command,
            args=self.args,
            flavor=self.flavor,
            timeout=self.timeout,
            env=env,
            secrets=dict.fromkeys(self.secrets, ""),
            labels=labels,
            volumes=tuple(Volume(**volume.model_dump()) for volume in self.volumes),
            expose=self.expose,
            expose_public=self.expose_public,
            ssh=self.ssh,
            resource_group_id=self.resource_group_id,
            network=Network(**self.network.model_dump()) if self.network else None,
            arch=self.arch,
        )


# Stands for the job of `from_job` while nobody knows it.
_ANY = JobSpec(image="x", command=("x",))


def _without(names: Mapping[str, str], prefixes: str | tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in names.items() if not name.startswith(prefixes)}


def place_of(source_job: str, own: str) -> tuple[str, str]:
    """Return the namespace and the id of a `source_job`; where it names none, it is our *own*."""
    namespace, _, job_id = source_job.rpartition("/")
    return namespace or own, job_id
