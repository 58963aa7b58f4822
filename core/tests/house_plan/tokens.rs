//! Rust source cut into the tokens that paths are made of; comments and texts are left out.

/// A token, as far as paths need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a keyword, without `r#`.
    Word(String),
    /// `::`.
    Path,
    /// Any other sign.
    Sign(char),
    /// A text, a character or a number.
    Literal,
}

impl Token {
    /// The word, where it is one.
    pub(crate) fn into_word(self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// A token and its line, from 1.
pub(crate) type Placed = (Token, usize);

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Placed> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.peek(0) {
        let line = lexer.line;
        if let Some(token) = lexer.token(first) {
            tokens.push((token, line));
        }
    }
    tokens
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self) -> Option<char> {
        let char = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(char == '\n');
        Some(char)
    }

    /// Takes one token, one comment (no token) or one white space.
    fn token(&mut self, first: char) -> Option<Token> {
        match first {
            '/' if self.peek(1) == Some('/') => {
                while self.peek(0).is_some_and(|char| char != '\n') {
                    self.step();
                }
                None
            }
            '/' if self.peek(1) == Some('*') => {
                self.block_comment();
                None
            }
            '"' => Some(self.text()),
            '\'' => self.char_or_lifetime(),
            ':' if self.peek(1) == Some(':') => {
                self.at += 2;
                Some(Token::Path)
            }
            _ if first.is_ascii_digit() => {
                self.word();
                Some(Token::Literal)
            }
            _ if is_word(first) => self.word_or_prefixed_text(),
            _ => {
                self.step();
                (!first.is_whitespace()).then_some(Token::Sign(first))
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => (depth, self.at) = (depth + 1, self.at + 2),
                (Some('*'), Some('/')) => (depth, self.at) = (depth - 1, self.at + 2),
                (Some(_), _) => {
                    self.step();
                }
                (None, _) => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn text(&mut self) -> Token {
        self.step();
        while let Some(char) = self.step() {
            match char {
                '\\' => {
                    self.step();
                }
                '"' => break,
                _ => {}
            }
        }
        Token::Literal
    }

    /// `r"…"`, `r#"…"#` and so on, from the first `#` or `"`.
    fn raw_text(&mut self) -> Token {
        let mut hashes = 0;
        while self.peek(0) == Some('#') {
            self.step();
            hashes += 1;
        }
        self.step();
        while let Some(char) = self.step() {
            if char == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                break;
            }
        }
        Token::Literal
    }

    /// `'a'` is a character, `'a` a lifetime, which no path needs.
    fn char_or_lifetime(&mut self) -> Option<Token> {
        self.step();
        let lifetime = self.peek(0).is_some_and(is_word) && self.peek(1) != Some('\'');
        if lifetime {
            self.word();
            return None;
        }
        while let Some(char) = self.step() {
            match char {
                '\\' => {
                    self.step();
                }
                '\'' => break,
                _ => {}
            }
        }
        Some(Token::Literal)
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(char) = self.peek(0).filter(|char| is_word(*char)) {
            word.push(char);
            self.step();
        }
        word
    }

    fn word_or_prefixed_text(&mut self) -> Option<Token> {
        let word = self.word();
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        match (self.peek(0), word.as_str()) {
            (Some('"'), _) if raw => Some(self.raw_text()),
            (Some('"'), "b" | "c") => Some(self.text()),
            (Some('\''), "b") => self.char_or_lifetime(),
            (Some('#'), _) if raw && matches!(self.peek(1), Some('#' | '"')) => Some(self.raw_text()),
            (Some('#'), "r") if self.peek(1).is_some_and(is_word) => {
                self.step();
                Some(Token::Word(self.word()))
            }
            _ => Some(Token::Word(word)),
        }
    }
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).into_iter().filter_map(|(token, _)| token.into_word()).collect()
    }

    #[test]
    fn comments_and_texts_of_all_kinds_hold_no_words() {
        let source = r###"
            a // no
            /// no
            b /* no /* no */ no */ c
            "no \" no" d r"no \" e r#"no " no"# f b"no" g br##"no "# no"## h c"no" i
            '"' j '\'' k '\\' l b'x' m '\u{41}' n 1.0e5 o 0xff p
        "###;
        assert_eq!(words(source), "a b c d e f g h i j k l m n o p".split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn lifetimes_and_raw_names_do_not_confuse_it() {
        assert_eq!(
            words("fn f<'a>(x: &'a str, y: &'static r#type) {} 'x: loop {}"),
            ["fn", "f", "x", "str", "y", "type", "loop"]
        );
    }

    #[test]
    fn a_token_knows_its_line() {
        let lines: Vec<usize> = tokens("a\n/* \n */ b \"\n\" c::d").iter().map(|(_, line)| *line).collect();
        assert_eq!(lines, [1, 3, 3, 4, 4, 4]);
    }
}
