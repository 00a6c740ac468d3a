//! Embeds the admin page: writes the list of the files in `src/admin/page`, with their contents, for `src/admin/page.rs`.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&root).join("src/admin/page");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut list = "const FILES: &[PageFile] = &[\n".to_owned();
    for name in names {
        let path = folder.join(&name);
        list.push_str(&format!(
            "    PageFile {{ name: {name:?}, content: include_bytes!({:?}) }},\n",
            path.display().to_string()
        ));
    }
    list.push_str("];\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("page_files.rs"), list)
}
