//! The answers of all steered names, in chunks: a change copies the chunks that it touches and shares the others.

use std::ops::Index;
use std::sync::Arc;

use super::steered::SteeredAnswers;

/// Steered names of a chunk. With 100,000 of them, copying the list of chunks costs about as much as copying a chunk:
/// some microseconds.
const CHUNK: usize = 256;

type Chunk = Vec<Arc<SteeredAnswers>>;

/// By the number of the steered name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SteeredList {
    chunks: Vec<Arc<Chunk>>,
    len: usize,
}

impl SteeredList {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// By number.
    pub fn get(&self, number: usize) -> Option<&Arc<SteeredAnswers>> {
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<SteeredAnswers>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Puts others in the place of some.
    pub(super) fn replace(&mut self, replacements: impl IntoIterator<Item = (u32, Arc<SteeredAnswers>)>) {
        for (number, answers) in replacements {
            let number = number as usize;
            // Copied the first time only, since then nobody else has it.
            let chunk = self.chunks.get_mut(number / CHUNK).map(Arc::make_mut);
            if let Some(place) = chunk.and_then(|chunk| chunk.get_mut(number % CHUNK)) {
                *place = answers;
            }
        }
    }
}

impl FromIterator<Arc<SteeredAnswers>> for SteeredList {
    fn from_iter<I: IntoIterator<Item = Arc<SteeredAnswers>>>(answers: I) -> Self {
        let mut list = Self::default();
        for answers in answers {
            if list.len.is_multiple_of(CHUNK) {
                list.chunks.push(Arc::default());
            }
            if let Some(chunk) = list.chunks.last_mut() {
                Arc::make_mut(chunk).push(answers);
            }
            list.len += 1;
        }
        list
    }
}

impl Index<usize> for SteeredList {
    type Output = SteeredAnswers;

    #[inline(always)]
    fn index(&self, number: usize) -> &SteeredAnswers {
        &self.chunks[number / CHUNK][number % CHUNK]
    }
}
