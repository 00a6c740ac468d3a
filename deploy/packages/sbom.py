"""What is in a binary, as a bill of materials in CycloneDX 1.5: the crates that are linked, with licences and checksums."""

import datetime
import json
import re
import subprocess
import uuid

from .reproducible import source_date


def bill_of_materials(metadata, target, lock):
    folder = metadata["workspace_root"]
    names = linked_crates(folder, target)
    packages = {package["id"]: package for package in metadata["packages"]}
    linked = {identity for identity, package in packages.items() if reference(package) in names}
    root = next(identity for identity in linked if packages[identity]["name"] == "egret")
    graph = {node["id"]: depends_on(node) & linked for node in for_target(folder, target)["resolve"]["nodes"]}
    hashes = lock_checksums(lock)
    libraries = sorted(linked - {root}, key=lambda identity: reference(packages[identity]))
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(source_date(), datetime.timezone.utc).isoformat(),
            "component": component(packages[root], hashes, "application"),
            "properties": [{"name": "egret:target", "value": target}],
        },
        "components": [component(packages[identity], hashes, "library") for identity in libraries],
        "dependencies": [
            {
                "ref": reference(packages[identity]),
                "dependsOn": sorted(reference(packages[other]) for other in graph[identity]),
            }
            for identity in [root, *libraries]
        ],
    }
    content = json.dumps(bill, sort_keys=True)
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, content).urn
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def linked_crates(folder, target):
    """The crates that become part of the program: nothing that only tests, builds, macros or other targets need."""
    command = ["cargo", "tree", "--locked", "--package", "egret", "--edges", "normal,no-proc-macro", "--target", target]
    command += ["--prefix", "none", "--no-dedupe"]
    tree = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    # A line is the name, `v` and the version, and perhaps a path.
    words = [line.split() for line in tree.splitlines() if line]
    return {f"pkg:cargo/{name}@{version.removeprefix('v')}" for name, version, *_ in words}


def for_target(folder, target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)


def depends_on(node):
    return {dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])}


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, hashes, kind):
    found = {
        "type": kind,
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
        "scope": "required",
    }
    if package["description"]:
        found["description"] = " ".join(package["description"].split())
    if package["license"]:
        # The older way of writing "or".
        found["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = hashes.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def lock_checksums(lock):
    """The checksums of Cargo.lock, by name and version."""
    pattern = re.compile(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([0-9a-f]+)"')
    return {(name, version): checksum for name, version, checksum in pattern.findall(lock)}
