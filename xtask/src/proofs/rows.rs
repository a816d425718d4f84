//! The rows that must be proved: every behaviour of the append-only file that somebody relies on, by its id.
//!
//! The list is fixed here so that a row cannot vanish from docs/proofs unnoticed. Letters and numbers are those of the
//! behaviours that Redis has as well; words name what this server promises beyond them.

/// A file of docs/proofs and the rows that stand in it, in this order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    pub(crate) ids: &'static [&'static str],
}

/// Where the sections stand.
pub(crate) const FOLDER: &str = "docs/proofs";

/// What a reply promises: a row for each policy and event.
pub(crate) const PROMISES: Section = Section {
    file: "promises.md",
    title: "Promises",
    ids: &["always-kill", "always-power", "everysec-kill", "everysec-power", "no-kill", "no-power", "transactions"],
};

/// All sections, in the order of the document.
pub(crate) const SECTIONS: &[Section] = &[
    PROMISES,
    Section { file: "feeding.md", title: "Feeding", ids: &["F1", "F2", "F3", "F4", "F5", "F6"] },
    Section {
        file: "writing.md",
        title: "Writing",
        ids: &[
            "W1",
            "W2",
            "W3",
            "W4",
            "W5",
            "W6",
            "W7",
            "W8",
            "W9",
            "group-commit",
            "fsync-order",
            "reads-wait",
            "reply-after-write",
            "writer-thread",
            "failed-flush",
            "failed-fsync",
            "healing",
            "everysec-tail",
            "child-io",
            "offsets",
            "policy-change",
            "waitaof",
            "settings",
        ],
    },
    Section {
        file: "loading.md",
        title: "Loading",
        ids: &[
            "L1",
            "L2",
            "L3",
            "L4",
            "L5",
            "L6",
            "L7",
            "L8",
            "state-file",
            "torn-tail",
            "no-state-file",
            "side-file",
            "unproven-tail",
            "hostile-log",
            "named-errors",
            "import",
            "import-untouched",
            "manifest",
        ],
    },
    Section { file: "checking.md", title: "Checking", ids: &["C1", "C2", "salvage"] },
    Section {
        file: "rewriting.md",
        title: "Rewriting",
        ids: &[
            "R1",
            "R2",
            "R3",
            "R4",
            "R5",
            "R6",
            "R7",
            "R8",
            "R9",
            "R10",
            "R11",
            "R12",
            "R13",
            "R14",
            "R15",
            "switch",
            "child-alone",
            "child-memory",
            "watchdog",
            "backoff",
            "one-server",
            "turning-on",
            "turning-off",
            "shutdown",
        ],
    },
    Section {
        file: "saving.md",
        title: "Saving",
        ids: &["save-whole", "save-moment", "save-failure", "save-child", "save-points", "save-dataset"],
    },
];
