"""The Flask extensions, not yet bound to an app; `app.create_app` binds them."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_sock import Sock
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """What the tables of `store/models.py` build on; named constraints can be migrated later."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


db = SQLAlchemy(model_class=Base, disable_autonaming=True)
limiter = Limiter(get_remote_address)
csrf = CSRFProtect()
sock = Sock()
