"""The review page: one question a suspect, answered with a key. For this machine only: 127.0.0.1, and a token."""

import hmac
import secrets
from pathlib import Path
from typing import Any

import pandas as pd
import simplejpeg
from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from facemask.core.errors import UserError
from facemask.core.tables import read_table
from facemask.fix_labels.corrections import WORDS
from facemask.ingest.store import Store
from facemask.tools.review.decisions import DecisionFile
from facemask.tools.review.questions import Answer, Question, answers, questions

HOST = "127.0.0.1"
QUALITY = 92  # of the JPEGs that the page shows
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class QuietHandler(WSGIRequestHandler):
    """Logs no requests: their addresses carry the token."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Review:
    """The questions, the photos that they are about, and the file that the answers go to."""

    def __init__(self, suspects: pd.DataFrame, photos: pd.DataFrame, store: Store, file: DecisionFile, by: str) -> None:
        """photos: the competition's photo table, rows as in the store; by: who decides."""
        self.questions = questions(suspects)
        self.store, self.file, self.by = store, file, by
        self.session: list[int] = []  # places answered since the page was started, for undo
        self.seen: dict[int, Answer] = {}  # what the file held: the page shows an answer that left it without undo
        train = photos.reset_index(drop=True).query("split == 'train'")
        rows_of = train.sort_values("file").groupby("person").groups
        first = train.drop_duplicates("person")
        self.known = dict(zip(first["person"], map(_known, first["gender"], first["age"]), strict=True))
        self.shown = {
            str(person): dict(zip(train["file"][rows], rows, strict=True)) for person, rows in rows_of.items()
        }

    def state(self) -> dict[str, Any]:
        """All that the page shows, answers read from the file."""
        given = answers(self.questions, self.file.read())
        self.seen |= given
        listed = [self._shown(place, question, given.get(place)) for place, question in enumerate(self.questions)]
        return {"questions": listed, "by": self.by, "file": str(self.file.path), "words": WORDS}

    def answer(self, place: int, answer: str, value: str) -> bool:
        """Record an answer; False, having written nothing, where the question is answered already."""
        question = self.questions[place]
        if place in answers(self.questions, self.file.read()):
            return False
        lines = question.lines(answer, value, self.by)
        self.file.append(lines)
        self.session.append(place)
        self.seen[place] = Answer(answer, ", ".join(line[3] for line in lines), self.by, tuple(lines))
        return True

    def undo(self, place: int | None) -> int:
        """Take back this reviewer's answer to a question, or the latest of this session; returns the question's place."""
        given = answers(self.questions, self.file.read())
        if place is None or place not in given:
            recent = [one for one in self.session if one in given]
            if not recent:
                raise UserError("nothing to undo: no answer was given since this page was started")
            place = recent[-1]
        if given[place].by != self.by:
            raise UserError(f"this answer is {given[place].by}'s; edit {self.file.path} to change it")
        self.file.remove(given[place].lines)
        self.seen.pop(place, None)
        self.session = [one for one in self.session if one != place]
        return place

    def _shown(self, place: int, question: Question, answer: Answer | None) -> dict[str, Any]:
        files = self.shown.get(question.person, {})
        about = question.pair or ((question.file,) if question.file else ())
        names = ("person", "attribute", "written", "proposed", "probability", "votes", "judgements")
        return {
            "place": place,
            "known": self.known.get(question.person, ""),
            **{name: getattr(question, name) for name in names},
            "photos": [
                {"row": int(row), "file": file, "about": file in about, "belief": question.photos.get(file)}
                for file, row in files.items()
            ],
            "answer": answer and answer.shown(),
            "lost": None if answer or place not in self.seen else self.seen[place].shown(),
        }


def make_app(review: Review, token: str) -> Flask:
    """The page's application; every request but for its style and script must carry the token."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 4096  # bytes of an answer
    _guard(app, token)

    @app.get("/")
    def page() -> str:
        return render_template("review.html")

    @app.get("/state")
    def state() -> Response:
        return jsonify(review.state())

    @app.get("/photo/<row>.jpg")
    def photo(row: str) -> Response:
        if not (row.isdecimal() and len(row) < 10 and int(row) < len(review.store)):
            abort(404)
        encoded = simplejpeg.encode_jpeg(review.store[int(row)], quality=QUALITY)
        return Response(encoded, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @app.post("/answer")
    def answer() -> Response:
        asked = _asked()
        place = _place(asked, review)
        written = review.answer(place, str(asked.get("answer")), str(asked.get("value", "")))
        return jsonify(written=written, state=review.state())

    @app.post("/undo")
    def undo() -> Response:
        asked = _asked()
        place = review.undo(None if asked.get("place") is None else _place(asked, review))
        return jsonify(place=place, state=review.state())

    return app


def _guard(app: Flask, token: str) -> None:
    """Who may ask, and how faults are answered: one sentence as JSON."""

    @app.before_request
    def check_access() -> None:
        # The host's name, too: another page may point its own name at 127.0.0.1.
        if request.host.rpartition(":")[0] not in (HOST, "localhost"):
            abort(403)
        given = request.headers.get("X-Review-Token") if request.method == "POST" else request.args.get("token")
        if request.endpoint != "static" and not hmac.compare_digest((given or "").encode(), token.encode()):
            abort(403, "the token is missing or old; open the address that `make review` printed")

    @app.after_request
    def add_security_headers(response: Response) -> Response:
        response.headers |= {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        response.headers |= {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
        return response

    @app.errorhandler(UserError)
    def user_error(error: UserError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 409

    @app.errorhandler(OSError)
    def disk_error(error: OSError) -> tuple[Response, int]:
        return jsonify(error=f"{error.filename}: {error.strerror}; mend that and reload the page"), 409

    @app.errorhandler(HTTPException)
    def request_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500


def start(review: Review, port: int) -> tuple[BaseWSGIServer, str]:
    """A server on 127.0.0.1 (port 0: any free one), not yet serving, and the address to open. Raises UserError."""
    token = secrets.token_urlsafe(24)
    try:
        server = make_server(HOST, port, make_app(review, token), threaded=True, request_handler=QuietHandler)
    except (OSError, SystemExit) as error:
        raise UserError(f"port {port} is taken; give another with --port") from error
    return server, f"http://{HOST}:{server.port}/?token={token}"


def load_review(photos: Path, pixels: Path, suspects: pd.DataFrame, corrections: Path, by: str) -> Review:
    """Raises UserError for a missing table, a bad line in the corrections, or an empty name."""
    if not by.strip() or not by.isprintable():
        raise UserError("--by is empty or not text; give the name that stands beside your decisions")
    table = read_table(Path(photos))
    return Review(suspects, table, Store(pixels, table), DecisionFile(corrections), by.strip())


def _known(gender: Any, age: Any) -> str:
    """What is written about a person, in words; codes may be unknown."""
    words = [WORDS["gender"][int(gender)]] if not pd.isna(gender) else []
    return ", ".join([*words, f"{age} years"] if not pd.isna(age) else words)


def _asked() -> dict[str, Any]:
    """The request's JSON object; anything else is 400."""
    try:
        asked = request.get_json()
    except RecursionError:
        abort(400)
    if not isinstance(asked, dict):
        abort(400, "an answer is a JSON object")
    return asked


def _place(asked: dict[str, Any], review: Review) -> int:
    place = asked.get("place")
    if type(place) is not int or not 0 <= place < len(review.questions):  # true is an int, and no place
        abort(400, f"place must be a number below {len(review.questions)}")
    return place
