//! A safetensors file that is written tensor by tensor, however large it is.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorInfo};
use serde_json::{Map, Value, json};

/// The first tensor begins at a multiple of this, so that a mapped one can be read by the widest loads.
pub const ALIGNMENT: usize = 64;

/// A tensor that will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
}

impl TensorEntry {
    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// A file whose header is written, and whose tensors follow.
#[derive(Debug)]
pub struct SafetensorsWriter {
    file: BufWriter<File>,
    expected_bytes: usize,
    written_bytes: usize,
}

impl SafetensorsWriter {
    /// Creates `path` and writes the header: the sizes are known before the first value is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, entries: &[TensorEntry]) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut header = Map::from_iter([("__metadata__".to_owned(), json!({"format": "pt"}))]);
        let mut end = 0;
        for entry in entries {
            let begin = end;
            end += entry.bytes();
            let info = TensorInfo { dtype: entry.dtype, shape: entry.shape.clone(), data_offsets: (begin, end) };
            header.insert(entry.name.clone(), serde_json::to_value(info)?);
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // The format allows blanks at the end of the header for this purpose.
        header.resize((8 + header.len()).next_multiple_of(ALIGNMENT) - 8, b' ');
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        Ok(Self { file, expected_bytes: end, written_bytes: 0 })
    }

    /// Brings what was written so far to the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }

    /// Bytes of tensors so far.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written, or fewer or more bytes were than the header promises.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if self.written_bytes == self.expected_bytes {
            return Ok(());
        }
        let (expected, found) = (self.expected_bytes, self.written_bytes);
        Err(io::Error::other(format!("safetensors file: expected {expected} bytes of tensors, found {found}")))
    }
}

/// Bytes of the tensors, one after the other, in the order of the entries.
impl Write for SafetensorsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written_bytes += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use pupil_models::bundle::WeightsFile;

    use super::*;

    #[test]
    fn tensors_are_read_back_and_the_first_is_aligned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let entry =
            |name: &str, dtype, shape: &[usize]| TensorEntry { name: name.to_owned(), dtype, shape: shape.into() };
        let entries = [entry("b", Dtype::U8, &[3]), entry("a", Dtype::F32, &[2, 1])];
        let mut writer = SafetensorsWriter::create(&path, &entries).unwrap();
        writer.write_all(&[1, 2, 3]).unwrap();
        writer.write_all(&[0; 8]).unwrap();
        writer.finish().unwrap();
        let file = WeightsFile::open(&path).unwrap();
        assert_eq!(file.bytes("b"), Some([1, 2, 3].as_slice()));
        assert_eq!(file.bytes("a"), Some([0; 8].as_slice()));
        assert_eq!(file.range("b").unwrap().offset % ALIGNMENT, 0);
    }

    #[test]
    fn a_file_that_is_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let entries = [TensorEntry { name: "a".to_owned(), dtype: Dtype::U8, shape: vec![3] }];
        let mut writer = SafetensorsWriter::create(&folder.path().join("f"), &entries).unwrap();
        writer.write_all(&[1, 2]).unwrap();
        assert!(writer.finish().unwrap_err().to_string().contains("expected 3 bytes of tensors, found 2"));
    }
}
