# What every board freezes: the library and the Wi-Fi helper. boards/<BOARD>/manifest.py adds the
# stock firmware and the board's numbers.
#
# boot.py and main.py are not frozen: a frozen one is run instead of the file on flash, and then
# an application could be changed only with new firmware.

for _file in (
    "base64_stream.py",
    "bounded_stream.py",
    "est.py",
    "est_adopt.py",
    "est_anchors.py",
    "est_arguments.py",
    "est_auth.py",
    "est_cacerts.py",
    "est_detour.py",
    "est_digest.py",
    "est_enroll.py",
    "est_errors.py",
    "est_exchange.py",
    "est_fullcmc.py",
    "est_issued.py",
    "est_limits.py",
    "est_link.py",
    "est_pinned.py",
    "est_psk.py",
    "est_redirect.py",
    "est_refusal.py",
    "est_response.py",
    "est_revocation.py",
    "est_server.py",
    "est_serverkeygen.py",
    "heap.py",
    "http_chunked.py",
    "http_stream.py",
    "pem_stream.py",
    "multipart_stream.py",
    "tls_context.py",
    "tls_errors.py",
    "tls_peer.py",
    "tls_stream.py",
    "tls_turns.py",
    "unix_time.py",
):
    module(_file, base_path="../lib")
package("devid", base_path="../lib")
package("pki", base_path="../lib")
module("wifi.py")
