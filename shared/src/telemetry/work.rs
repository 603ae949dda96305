//! Lines about what is no request.
