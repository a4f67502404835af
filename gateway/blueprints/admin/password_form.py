"""The forms that set a password."""

from flask_wtf import FlaskForm
from wtforms import Form, PasswordField, SelectField, StringField, ValidationError
from wtforms.validators import EqualTo, InputRequired, Length

from gateway.store.admins import ROLES, VIEWER

SHORTEST, LONGEST = 12, 1000
_NEEDED = InputRequired("This is required.")
_NAME = (_NEEDED, Length(max=100, message="100 characters at most."))


def _not_blank(form: Form, field: PasswordField) -> None:
    """A repeated character passes any rule of length."""
    if len(set(field.data)) < 4:
        raise ValidationError("This is too easy to guess.")


class PasswordForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(
        "New password",
        description=f"At least {SHORTEST} characters.",
        validators=[
            _NEEDED,
            Length(SHORTEST, LONGEST, message=f"At least {SHORTEST} characters."),
            _not_blank,
        ],
    )
    again = PasswordField(
        "The same again", validators=[_NEEDED, EqualTo("password", "These two are not the same.")]
    )


class OwnPasswordForm(PasswordForm):
    field_order = ("current", "password", "again")
    current = PasswordField("Password of now", validators=[_NEEDED, Length(max=LONGEST)])


class AdminForm(PasswordForm):
    field_order = ("username", "role", "password", "again")
    username = StringField("User name", validators=_NAME)
    role = SelectField(
        "Role", choices=ROLES, default=VIEWER, description="A viewer reads, and changes nothing."
    )


class SetUpForm(PasswordForm):
    field_order = ("code", "username", "password", "again")
    code = StringField(
        "Set-up code", description="It stands in the log.", validators=[_NEEDED, Length(max=100)]
    )
    username = StringField("User name", default="admin", validators=_NAME)
