"""What the environment sets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.config import Config

from server.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The server's settings; each is read from `SERVER_` and its name in capitals."""

    model: Path = Path("data/model/model.onnx")
    host: str = "127.0.0.1"
    port: int = 8000
    max_body_bytes: int = 20_000_000

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment, or raise `UserError` naming the variable."""
        config = Config(env_prefix="SERVER_")
        try:
            return cls(
                model=config("MODEL", cast=Path, default=cls.model),
                host=config("HOST", default=cls.host),
                port=config("PORT", cast=int, default=cls.port),
                max_body_bytes=config("MAX_BODY_BYTES", cast=int, default=cls.max_body_bytes),
            )
        except ValueError as error:
            raise UserError(f"{error}") from None
