# In place of ports/unix/variants/manifest.py: it asks for micropython-lib's mip and ssl, which
# Debian's source package leaves out. The library needs neither: it uses `tls`.
