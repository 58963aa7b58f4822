//! Which names below the crate's root a file reaches, however it writes them.

use std::collections::BTreeMap;

use super::tokens::{Placed, Token, tokens};

/// A source file.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path, for messages.
    pub(crate) name: String,
    /// Its module, as in `["rdd", "map"]`.
    pub(crate) module: Vec<String>,
    /// What is in it.
    pub(crate) text: String,
}

/// A way from a file to a name below the crate's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    /// File and line.
    pub(crate) at: String,
    /// Where it leads.
    pub(crate) target: Target,
    /// Whether the file shows what it took on, as `pub use` does.
    pub(crate) reexport: bool,
}

/// Where a door leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The first name below the root.
    Name(String),
    /// Somewhere that the text does not say; how it hides it.
    Hidden(&'static str),
}

/// The names that stand for the crate's root in a path, besides `super` in a room's own file.
const ROOTS: &[&str] = &["crate", "tidemill"];

/// What begins an item, in contrast to a field or an arm.
const ITEMS: &[&str] = &[
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "use",
];

/// All doors of the files of a room, test code left out: a test may start the whole mill.
pub(crate) fn of_files(files: &[File]) -> Vec<Door> {
    let mut scans: Vec<Scan> = files.iter().map(Scan::new).collect();
    for scan in &mut scans {
        scan.run();
    }
    let test_modules: Vec<Vec<String>> = scans.iter().flat_map(|scan| scan.test_modules.clone()).collect();
    let product = scans.into_iter().filter(|scan| {
        let module = &scan.file.module;
        !test_modules.iter().any(|test| module.starts_with(test))
    });
    product.flat_map(|scan| scan.doors).collect()
}

/// From which room each name comes that `lib.rs` re-exports.
pub(crate) fn exports(lib: &str) -> BTreeMap<String, String> {
    let tokens = tokens(lib);
    let mut exported = BTreeMap::new();
    for at in (0..tokens.len()).filter(|&at| is_word(&tokens, at, "use")) {
        for leaf in use_tree(&tokens, at + 1).0 {
            let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
            let path = path.strip_prefix(&["crate"]).or(path.strip_prefix(&["self"])).unwrap_or(&path);
            if let ([room, .., last], false) = (path, leaf.glob) {
                exported.insert(leaf.alias.unwrap_or_else(|| (*last).to_owned()), (*room).to_owned());
            }
        }
    }
    exported
}

/// The modules that `lib.rs` declares, in order.
pub(crate) fn modules(lib: &str) -> Vec<String> {
    let tokens = tokens(lib);
    let declared = (0..tokens.len()).filter(|&at| is_word(&tokens, at, "mod"));
    declared.filter_map(|at| word(&tokens, at + 1).map(str::to_owned)).collect()
}

/// One thing that a `use` brings in.
#[derive(Debug)]
struct Leaf {
    path: Vec<String>,
    alias: Option<String>,
    glob: bool,
    line: usize,
}

struct Scan<'a> {
    file: &'a File,
    tokens: Vec<Placed>,
    doors: Vec<Door>,
    /// Modules in files of their own that only tests have.
    test_modules: Vec<Vec<String>>,
}

impl<'a> Scan<'a> {
    fn new(file: &'a File) -> Self {
        Self { file, tokens: tokens(&file.text), doors: Vec::new(), test_modules: Vec::new() }
    }

    fn run(&mut self) {
        let mut module = self.file.module.clone();
        // The depth of braces at which each inline module ends.
        let mut inline: Vec<usize> = Vec::new();
        let (mut depth, mut at) = (0, 0);
        while at < self.tokens.len() {
            if let Some(behind) = test_attribute(&self.tokens, at) {
                at = self.skip_test_item(behind, &module);
                continue;
            }
            let line = self.tokens[at].1;
            match &self.tokens[at].0 {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => {
                    depth = usize::saturating_sub(depth, 1);
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        module.pop();
                    }
                }
                Token::Sign('#') if is_word(&self.tokens, at + 2, "path") => {
                    self.hidden(line, "takes a file from elsewhere with `#[path]`");
                }
                Token::Word(word) => match word.as_str() {
                    "mod" if is_sign(&self.tokens, at + 2, '{') => {
                        if let Some(name) = self::word(&self.tokens, at + 1) {
                            module.push(name.to_owned());
                            inline.push(depth);
                        }
                    }
                    // `use<'a>` in a bound brings nothing in.
                    "use" if !is_sign(&self.tokens, at + 1, '<') => {
                        let reexport = at > 0 && follows_pub(&self.tokens, at);
                        let (leaves, behind) = use_tree(&self.tokens, at + 1);
                        for leaf in leaves {
                            self.imported(&leaf, &module, reexport);
                        }
                        at = behind;
                        continue;
                    }
                    "extern"
                        if is_word(&self.tokens, at + 1, "crate")
                            && is_word(&self.tokens, at + 2, "self") =>
                    {
                        self.hidden(line, "gives the whole crate another name");
                    }
                    "include" if is_sign(&self.tokens, at + 1, '!') => {
                        self.hidden(line, "includes a file as code");
                    }
                    _ => at = self.inline_path(at, &module),
                },
                _ => {}
            }
            at += 1;
        }
    }

    /// A path in code, at its first word; returns where its last one stands.
    fn inline_path(&mut self, at: usize, module: &[String]) -> usize {
        let behind_path = at > 0 && self.tokens[at - 1].0 == Token::Path;
        let starts = word(&self.tokens, at)
            .is_some_and(|word| ROOTS.contains(&word) || ["self", "super"].contains(&word));
        if behind_path || !starts || self.tokens.get(at + 1).is_none_or(|(token, _)| *token != Token::Path) {
            return at;
        }
        let line = self.tokens[at].1;
        let (mut path, mut last) = (vec![self.tokens[at].0.clone()], at);
        while let Some([(Token::Path, _), (next @ Token::Word(_), _)]) = self.tokens.get(last + 1..last + 3) {
            path.push(next.clone());
            last += 2;
        }
        let path: Vec<String> = path.into_iter().filter_map(Token::into_word).collect();
        if let Some(below) = below_root(&path, module) {
            match below.first() {
                Some(name) => self.door(line, Target::Name(name.clone()), false),
                None => self.hidden(line, "leaves the name behind the crate's root to a macro"),
            }
        }
        last
    }

    fn imported(&mut self, leaf: &Leaf, module: &[String], reexport: bool) {
        let Some(below) = below_root(&leaf.path, module) else { return };
        match below.first() {
            Some(name) => self.door(leaf.line, Target::Name(name.clone()), reexport),
            None if leaf.glob => self.hidden(leaf.line, "imports everything from the crate's root"),
            None => self.hidden(leaf.line, "imports the crate's root under a name"),
        }
    }

    fn hidden(&mut self, line: usize, how: &'static str) {
        self.door(line, Target::Hidden(how), false);
    }

    fn door(&mut self, line: usize, target: Target, reexport: bool) {
        self.doors.push(Door { at: format!("{}:{line}", self.file.name), target, reexport });
    }

    /// Passes over the item behind `#[cfg(test)]`, and notes it where it is a module in a file of its own.
    fn skip_test_item(&mut self, mut at: usize, module: &[String]) -> usize {
        let head: Vec<&str> = (at..self.tokens.len())
            .take_while(|&at| !matches!(self.tokens[at].0, Token::Sign('{' | '}' | ';' | ',' | ':')))
            .filter_map(|at| word(&self.tokens, at))
            .collect();
        // A field, a variant, an argument or an arm ends with a comma; an item does not.
        let item = head.iter().any(|word| ITEMS.contains(word));
        let mut depth = 0_usize;
        while let Some((token, _)) = self.tokens.get(at) {
            at += 1;
            match token {
                Token::Sign('{' | '(' | '[') => depth += 1,
                Token::Sign(')' | ']') => depth = depth.saturating_sub(1),
                // The end of what the last field stands in.
                Token::Sign('}') if depth == 0 => return at - 1,
                Token::Sign('}') => {
                    depth -= 1;
                    if depth == 0 {
                        // Behind an import's group comes a `;`, which does no harm.
                        break;
                    }
                }
                Token::Sign(';') if depth == 0 => break,
                Token::Sign(',') if depth == 0 && !item => break,
                Token::Word(word) if word == "mod" && depth == 0 && is_sign(&self.tokens, at + 1, ';') => {
                    let name = self::word(&self.tokens, at).map(str::to_owned);
                    self.test_modules.push(module.iter().cloned().chain(name).collect());
                }
                _ => {}
            }
        }
        at
    }
}

/// The path below the crate's root; none where it leads to another crate or to a name in scope.
fn below_root(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let first = path.first()?.as_str();
    if ROOTS.contains(&first) {
        // `crate::self` in a group is the root itself.
        return Some(path[1..].iter().filter(|word| *word != "self").cloned().collect());
    }
    let rest = if first == "self" { &path[1..] } else { path };
    let up = rest.iter().take_while(|word| *word == "super").count();
    if up == 0 && first != "self" {
        return None;
    }
    let stay = module.len().checked_sub(up)?;
    let below = rest[up..].iter().filter(|word| *word != "self");
    Some(module[..stay].iter().chain(below).cloned().collect())
}

/// The leaves of the tree behind `use`, and the place behind its `;`.
fn use_tree(tokens: &[Placed], start: usize) -> (Vec<Leaf>, usize) {
    let mut leaves = Vec::new();
    // What stands before each open group.
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let (mut alias, mut glob, mut line) = (None, false, 0);
    let mut at = start;
    while let Some((token, here)) = tokens.get(at) {
        at += 1;
        let ends = matches!(token, Token::Sign(',' | '}' | ';'));
        if ends && (path.len() > groups.last().map_or(0, Vec::len) || glob) {
            leaves.push(Leaf { path: path.clone(), alias: alias.take(), glob, line });
        }
        match token {
            Token::Word(word) if word == "as" => {
                alias = self::word(tokens, at).map(str::to_owned);
                at += 1;
            }
            Token::Word(word) => {
                line = *here;
                path.push(word.clone());
            }
            Token::Sign('*') => (line, glob) = (*here, true),
            Token::Sign('{') => groups.push(path.clone()),
            Token::Sign(',') => (path, glob) = (groups.last().cloned().unwrap_or_default(), false),
            Token::Sign('}') => {
                // What the group ended with is no leaf once more.
                groups.pop();
                (path, glob) = (groups.last().cloned().unwrap_or_default(), false);
            }
            Token::Sign(';') => break,
            _ => {}
        }
    }
    (leaves, at)
}

/// The place behind `#[cfg(test)]`, or behind `#[cfg(all(test, …))]`, where one stands at `at`.
fn test_attribute(tokens: &[Placed], at: usize) -> Option<usize> {
    if !is_sign(tokens, at, '#') || !is_sign(tokens, at + 1, '[') || !is_word(tokens, at + 2, "cfg") {
        return None;
    }
    let all =
        is_word(tokens, at + 4, "all") && is_sign(tokens, at + 5, '(') && is_word(tokens, at + 6, "test");
    let test = is_word(tokens, at + 4, "test") && is_sign(tokens, at + 5, ')');
    if !all && !test {
        return None;
    }
    (at..tokens.len()).find(|&at| is_sign(tokens, at, ']')).map(|end| end + 1)
}

/// Whether `pub` or `pub(…)` stands before `at`.
fn follows_pub(tokens: &[Placed], at: usize) -> bool {
    if !is_sign(tokens, at - 1, ')') {
        return is_word(tokens, at - 1, "pub");
    }
    let open = (0..at).rev().find(|&at| is_sign(tokens, at, '('));
    open.is_some_and(|open| open > 0 && is_word(tokens, open - 1, "pub"))
}

fn word(tokens: &[Placed], at: usize) -> Option<&str> {
    match tokens.get(at) {
        Some((Token::Word(word), _)) => Some(word),
        _ => None,
    }
}

fn is_word(tokens: &[Placed], at: usize, expected: &str) -> bool {
    word(tokens, at) == Some(expected)
}

fn is_sign(tokens: &[Placed], at: usize, sign: char) -> bool {
    tokens.get(at).is_some_and(|(token, _)| *token == Token::Sign(sign))
}
