//! The page at `/`: static files, which say nothing of this process. What they show they ask for, with the token.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
};

use super::{AdminResponse, text};

/// A file of the page.
struct PageFile {
    name: &'static str,
    content: &'static [u8],
}

// FILES: every file in the folder `page`, by name.
include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// The name of the file at `/`.
const INDEX: &str = "index.html";

/// The page loads nothing from elsewhere, runs no script that is not one of its files, and is shown in no other page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// Whether a path is that of a file of the page, which is answered without a token: a browser sends none when it opens a
/// page or loads a module.
pub(super) fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

/// The file at a path, if there is one.
pub(super) fn file(path: &str) -> Option<AdminResponse> {
    let name = match path {
        "/" => INDEX,
        path => path.strip_prefix("/page/")?,
    };
    let file = FILES.iter().find(|file| file.name == name)?;
    let mut response = text(StatusCode::OK, file.content);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(content_type(name)?);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Another version may run at this address next.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}

fn content_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text names of the page: `/page/NAME`.
    fn named(text: &str) -> impl Iterator<Item = &str> {
        let after = text.split("/page/").skip(1);
        let end = |char: char| !(char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'));
        after.map(move |rest| rest.split(end).next().unwrap_or_default())
    }

    #[test]
    fn every_file_is_served_with_a_strict_policy() {
        assert!(
            FILES.iter().any(|file| file.name == INDEX),
            "there is a page"
        );
        for PageFile { name, .. } in FILES {
            let response = file(&format!("/page/{name}"));
            let response = response.unwrap_or_else(|| panic!("{name} has a content type"));
            let header = |name| response.headers().get(name).unwrap();
            assert_eq!(header("content-security-policy"), &POLICY);
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cache-control"), "no-cache");
            assert_eq!(header("x-content-type-options"), "nosniff");
        }
        let index = file("/").unwrap();
        assert_eq!(index.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        for path in [
            "/page/",
            "/page/none.js",
            "/page/../page.rs",
            "/page",
            "/pages/main.js",
        ] {
            assert!(file(path).is_none(), "{path}");
        }
    }

    #[test]
    fn what_the_page_names_is_there_and_nothing_is_loaded_from_elsewhere() {
        for file in FILES {
            let text = std::str::from_utf8(file.content).unwrap();
            for name in named(text).filter(|name| name.contains('.')) {
                let is_there = FILES.iter().any(|file| file.name == name);
                assert!(is_there, "{} names {name}", file.name);
            }
            let loads = [
                "src=\"http",
                "href=\"http",
                "url(http",
                "from \"http",
                "import(\"http",
            ];
            assert!(!loads.iter().any(|it| text.contains(it)), "{}", file.name);
        }
    }
}
