//! The names of a store's keys on the server.

/// How many keys a step of a scan looks at.
pub(super) const COUNT: usize = 1000;

/// Names.
#[derive(Debug)]
pub(super) struct Names {
    namespace: String,
    pub(super) id: String,
    pub(super) seq: String,
    data: Vec<u8>,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        let name = |part: &str| format!("{{{namespace}}}:{part}");
        Self {
            namespace: namespace.to_owned(),
            id: name("id"),
            seq: name("seq"),
            data: name("d:").into_bytes(),
        }
    }

    /// Where the answer to a write is kept.
    pub(super) fn done(&self, token: &str) -> String {
        format!("{{{}}}:done:{token}", self.namespace)
    }

    /// The name of a key.
    pub(super) fn data(&self, key: &[u8]) -> Vec<u8> {
        [&self.data[..], key].concat()
    }

    /// The key that has a name.
    pub(super) fn key(&self, name: &[u8]) -> Option<Vec<u8>> {
        name.strip_prefix(&self.data[..]).map(<[u8]>::to_vec)
    }

    /// A pattern of all keys with a prefix, whose bytes stand for themselves.
    pub(super) fn pattern(&self, prefix: &[u8]) -> Vec<u8> {
        let mut pattern = Vec::with_capacity(self.data.len() + prefix.len() + 1);
        for byte in self.data.iter().chain(prefix) {
            if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        pattern.push(b'*');
        pattern
    }
}
