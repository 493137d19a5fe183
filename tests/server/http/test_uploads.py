"""What people send in place of an image, or around it, over a real connection."""

import base64
import gzip
import json
import zlib

import pytest

from tests.kit.corpus import BOUNDARY, FORM, WHOLE, part
from tests.kit.live import Live

PHOTOGRAPH = WHOLE["jpeg-RGB"]
END = f"--{BOUNDARY}--\r\n".encode()
FILE = part('Content-Disposition: form-data; name="image"; filename="a.jpg"', PHOTOGRAPH)
CURL = "curl -F image=@FILE"


def post(live: Live, body: bytes, path: str = "/predict", **headers: str) -> tuple[int, str]:
    """Return the status of an answer, and what is wrong."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = live.client.post(path, content=body, headers=named)
    assert answer.headers["content-type"].startswith("application/")
    return answer.status_code, answer.json().get("detail", "")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (b"filename*=UTF-8''na%C3%AFve%20%22x%22.jpg", 'naïve "x".jpg'),
        (b"filename*=utf-8'de'%F0%9F%93%B7.jpg", "📷.jpg"),
        (b"filename*=ISO-8859-1''stra%DFe.jpg", "straße.jpg"),
        (b"filename*=UTF-8''broken%FF.jpg", "brokenÿ.jpg"),
        (b"filename*=\"UTF-8''quoted.jpg\"", "quoted.jpg"),
        (b"filename=\"ascii.jpg\"; filename*=UTF-8''b%C3%A4r.jpg", "bär.jpg"),
        (b"filename=\"a; filename*=UTF-8''other.jpg\"", "a; filename*=UTF-8''other.jpg"),
        ('filename="straße.jpg"'.encode("latin-1"), "straße.jpg"),
        ('filename="straße.jpg"'.encode(), "straße.jpg"),
        (b'filename="\x81\x8d.jpg"', "\x81\x8d.jpg"),
        (rb'filename="a\"b\\c.jpg"', 'a"b\\c.jpg'),
        (b'filename="a%22b%0A.jpg"', 'a"b\n.jpg'),
        (rb'filename="C:\photos\a.jpg"', "a.jpg"),
        (b'filename="../../etc/a.jpg"', "../../etc/a.jpg"),
        (b"filename=a.jpg", "a.jpg"),
        (b'filename=""', ""),
    ],
)
def test_a_file_may_have_any_name(live: Live, parameters: bytes, name: str) -> None:
    form = FILE.replace(b'"image"', b'"images"').replace(b'filename="a.jpg"', parameters) + END
    headers = {"Content-Type": FORM}
    answer = live.client.post("/predict_batch", content=form, headers=headers)
    assert answer.status_code == 200, answer.text
    [result] = answer.json()["results"]
    assert result["file"] == name
    assert "class" in result


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (
            FILE.replace(b'; filename="a.jpg"', b""),
            f"no file but text; send it as a file, as {CURL}",
        ),
        (FILE.replace(b'"image"', b'"file"'), f"'image', the form has 'file'; {CURL}"),
        (FILE.replace(b'"image"', "Bild=ä".encode("latin-1")), "the form has 'Bild'"),
        (FILE.replace(b'"image"', b'"' + b"n" * 500 + b'"'), f"the form has '{'n' * 40}'; "),
        (FILE.replace(b'name="image"; ', b""), f"the form has ''; {CURL}"),
        (b"", f"the form has none; {CURL}"),
        (
            b"".join(part(f'Content-Disposition: form-data; name="{name}"') for name in "abcbdefg"),
            "the form has 'a', 'b', 'c', 'd', 'e', ...; ",
        ),
        (
            part(
                'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
                "Content-Transfer-Encoding: BASE64",
                base64.encodebytes(PHOTOGRAPH),
            ),
            "Content-Transfer-Encoding 'base64' is not taken; send the file's bytes",
        ),
        (
            FILE.replace(PHOTOGRAPH, base64.b64encode(PHOTOGRAPH)),
            "image: not an image, but base64 text; send the bytes of the image file itself",
        ),
    ],
)
def test_a_form_without_its_file_is_told_what_came_and_what_helps(
    live: Live, form: bytes, sentence: str
) -> None:
    status, detail = post(live, form + END, Content_Type=FORM)
    assert status == 400
    assert sentence in detail


@pytest.mark.parametrize("encoding", ["8bit", "Binary", "7bit"])
def test_a_transfer_encoding_that_changes_nothing_is_taken(live: Live, encoding: str) -> None:
    form = FILE.replace(
        b"\r\n\r\n", f"\r\ncontent-transfer-encoding: {encoding}\r\n\r\n".encode(), 1
    )
    assert post(live, form + END, Content_Type=FORM)[0] == 200


@pytest.mark.parametrize("path", ["/predict", "/explain", "/predict_batch"])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(PHOTOGRAPH)),
        ("deflate", zlib.compress(PHOTOGRAPH)),
        ("br", b"\x0b\x02\x80"),
        ("GZIP, zstd", b"x"),
    ],
)
def test_a_compressed_body_is_refused_by_its_header(
    live: Live, path: str, encoding: str, body: bytes
) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "image/jpeg"}
    answer = live.client.post(path, content=body, headers=headers)
    assert answer.status_code == 415
    detail = f"Content-Encoding {encoding.lower()!r} is not taken; send the body as it is"
    assert answer.json()["detail"] == detail
    assert answer.headers["accept-encoding"] == "identity"


def test_a_body_that_is_encoded_as_itself_is_taken(live: Live) -> None:
    assert post(live, PHOTOGRAPH, Content_Encoding="identity")[0] == 200


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        (
            "application/json",
            json.dumps({"image": "/9j/4AAQ"}).encode(),
            "but JSON; send the bytes",
        ),
        ("application/json", b'"/9j/4AAQSkZJRgABAQ=="', "but base64 text; send the bytes"),
        (
            "application/x-www-form-urlencoded",
            b"image=%FF%D8",
            f"URL-encoded form; send {FORM[:19]}",
        ),
        ("application/x-www-form-urlencoded", b"image=a.jpg", f"as {CURL} does"),
        ("image/jpeg", FILE + END, "a form that the header Content-Type does not name"),
        ("application/json", FILE + END, "a form that the header Content-Type does not name"),
        ("image/jpeg", base64.b64encode(PHOTOGRAPH), "but base64 text; send the bytes"),
        ("image/jpeg", gzip.compress(PHOTOGRAPH), "but gzip; send the image as it is"),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "this is SVG; save it as"),
        ("text/plain", b"https://example.com/a.jpg", "but an address (URL); fetch the file"),
        (
            "multipart/form-data",
            FILE + END,
            f"without a boundary; leave Content-Type to the client: {CURL}",
        ),
        ("image/jpeg", b"", "image: empty, 0 bytes"),
    ],
)
def test_another_body_gets_the_sentence_that_helps(
    live: Live, kind: str, body: bytes, sentence: str
) -> None:
    status, detail = post(live, body, Content_Type=kind)
    assert status == 400
    assert sentence in detail


def test_the_type_that_a_client_names_matters_only_for_forms(live: Live) -> None:
    for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain", "x"):
        assert post(live, PHOTOGRAPH, Content_Type=kind)[0] == 200
