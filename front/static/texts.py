"""What stands beside the served files: nginx's configuration, and what a reader is told."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ca.clock import utc_text
from front.static.answers import Answers

_NGINX = """\
# Serves this folder as the world publishes it; from within this folder, without privileges:
#     nginx -p "$PWD" -c nginx.conf -g 'daemon off;'
worker_processes 1;
pid nginx.pid;
error_log stderr warn;

events {{
    worker_connections 512;
}}

http {{
    access_log off;
    server_tokens off;
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    fastcgi_temp_path temporary;
    uwsgi_temp_path temporary;
    scgi_temp_path temporary;
    types {{
        application/pkix-cert cer;          # RFC 2585 4.1
        application/pkix-crl crl;           # RFC 2585 4.2
        application/pkcs7-mime p7c;         # RFC 8551 3.2.1
        application/pkcs7-signature p7s;
        application/json json;
    }}
    default_type application/octet-stream;

    server {{
        listen {listen};
        location {base}/ {{
            alias public/;
        }}
        # A request in base64 is a path here; a slash at its end is left away, as it is in the files' names.
        rewrite ^({base}/ocsp/[^/]+/.+)/$ $1;
        location {base}/ocsp/ {{
            if ($request_method !~ ^(GET|HEAD)$) {{
                return 405;
            }}
            types {{ }}
            default_type application/ocsp-response;
            add_header Cache-Control "max-age={seconds}, public, no-transform, must-revalidate";
            alias public/ocsp/;
        }}
    }}
}}
"""

_README = """\
# {world}: a nation of certificate authorities, as files

Made {made}. Nothing here is secret, and nothing here is anybody's real PKI{marking}.

    public/           what is served under {url}
    nation.ldif       the same for an LDAP server: entries of pkiCA and cRLDistributionPoint (RFC 4523)
    nginx.conf        a configuration that serves public/ as it has to be

## Serve it

    nginx -p "$PWD" -c nginx.conf -g 'daemon off;'

Certificates carry {url}, so it is served there. Any other web server will do that gives `.cer`, `.crl` and `.p7c` their
media types, and undoes the escapes of a path before it looks for a file. For LDAP, in a slapd with core.schema
whose suffix is the country:

    slapadd -f slapd.conf -l nation.ldif        # or ldapadd -x -D ... -W -f nation.ldif

## What is where

`public/manifest.json` says where everything is; `public/manifest.p7s` is the world's signature over it.

    openssl cms -verify -binary -inform DER -in public/manifest.p7s -content public/manifest.json \\
        -CAfile ANCHOR.pem -purpose any -out /dev/null

    g/<generation>/self.cer               self-signed; the anchor is {anchor}
    g/<generation>/cross/<other>.cer      what this key says of another's
    g/<generation>/issued-to.p7c          all CA certificates for this key (caIssuers)
    g/<generation>/issued-by.p7c          all that it has issued to CAs (caRepository)
    g/<generation>/pairs/<other>.ccp      both directions, as directories hold them
    g/<generation>/crl/arl.crl full.crl   lists; further partitions are in the manifest, by their names

## OCSP

{ocsp}
"""

_ANSWERED = """\
There are {count} answers about {certificates} certificates, made with the folder; the first of them ends {until}. They are
for clients that ask with GET, for one certificate, without a nonce, and name the issuer by SHA-1 or SHA-256: Java does
(small requests go by GET), and curl with the request in base64. A file cannot answer POST, so `openssl ocsp` and
GnuTLS's `ocsptool` get 405."""

_NOT_ANSWERED = (
    "There are no answers here: the edition gives them to known verifiers alone, or nobody may sign them."
)


def nginx_conf(url: str, cached: timedelta) -> str:
    """The configuration for a world under this URL, whose answers caches may keep so long."""
    parts = urlsplit(url)
    port = parts.port or 80
    here = parts.hostname in {"localhost", "127.0.0.1"}
    base = parts.path.rstrip("/")
    # What `kakehashi init` takes for a URL (front.making) has nothing in its path that nginx would read otherwise.
    assert re.fullmatch(r"[A-Za-z0-9._~/-]*", base), "a path of plain words"
    return _NGINX.format(
        listen=f"127.0.0.1:{port}" if here else port, base=base, seconds=int(cached.total_seconds())
    )


def readme(*, world: str, marking: str, url: str, anchor: str, answers: Answers, made: datetime) -> str:
    """What a reader is told."""
    ocsp = _NOT_ANSWERED
    if answers.until is not None:
        ocsp = _ANSWERED.format(
            count=answers.count, certificates=answers.certificates, until=utc_text(answers.until)
        )
    return _README.format(
        world=world,
        made=utc_text(made),
        marking=": a test world" if marking == "test" else "",
        url=url,
        anchor=anchor,
        ocsp=ocsp,
    )
