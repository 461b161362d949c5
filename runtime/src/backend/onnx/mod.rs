//! The student's graph in ONNX Runtime: the only room that knows `ort`.
//!
//! The cache is bound in place: `past_key_values.*` and `present.*` of a layer are one buffer, into which the graph's
//! attention writes the new positions. A decode step changes three small inputs and runs; nothing else is bound, copied or
//! allocated.

mod cache;
mod copier;
mod cuda;
mod layout;
mod lengths;
mod library;
mod memory;
mod native;
mod operators;
mod saved;
mod signature;
mod tensors;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::memory::Allocator;
use ort::session::Session;
use ort::value::Tensor;
use pupil_models::bundle::Bundle;
use pupil_models::config::StudentConfig;

use cache::{Bound, Place, Span};
pub use cache::{OnnxCache, OnnxRows};
use copier::Copier;
pub use cuda::CUDA_PROVIDER;
use layout::Layout;
pub use library::{LibraryInfo, find_library};
use memory::Memory;
use operators::Machine;
use saved::Form;
pub(crate) use saved::save_graph;

use super::{Backend, BackendError};
use crate::device::Device;
use crate::error::LoadError;
use crate::kernels::{CacheType, Kernels};
use crate::machine;
use crate::options::{EngineOptions, Execution};
use crate::sampler::TokenId;

/// Key of the session's setting that binds threads to processors.
const AFFINITIES: &str = "session.intra_op_thread_affinities";

/// A student's graph, loaded into ONNX Runtime with its weights mapped.
#[derive(Debug)]
pub struct OnnxBackend {
    session: Session,
    config: StudentConfig,
    execution: Execution,
    layout: Layout,
    memory: Memory,
    /// Copies within the device's memory, once that was wanted.
    copier: Option<Copier>,
    /// Logits of the last forward pass, `[rows, kept, vocab_size]`.
    logits: Tensor<f32>,
}

impl OnnxBackend {
    /// Loads the bundle's graph.
    ///
    /// # Errors
    /// [`LoadError`] if ONNX Runtime cannot be used, or refuses the graph, or the graph is not this student's, or the device
    /// cannot compute it.
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self, LoadError> {
        let (mut execution, saved) = options.resolve_saved(bundle);
        if let Some(folder) = saved {
            if let Ok(backend) = Self::open(bundle, Form::Saved(&folder), execution) {
                return Ok(backend);
            }
            // Passed over like anything else that is stored and of no use; whatever else is wrong shows here as well.
            execution.saved_graph = false;
        }
        Self::open(bundle, Form::Bundle, execution)
    }

    fn open(bundle: &Bundle, form: Form<'_>, execution: Execution) -> Result<Self, LoadError> {
        let path = form.path(bundle);
        let format = bundle.manifest().weights;
        cuda::check(execution.device, format)?;
        let environment = library::environment()?;
        if !CacheType::offered_by(format).contains(&execution.cache) {
            return Err(LoadError::Cache { expected: execution.cache, format });
        }
        let kernels = Kernels::of(execution.instruction_set)
            .ok_or(LoadError::Instructions { expected: execution.instruction_set })?;
        let cores = machine::physical_cores();
        if execution.affinity && cores.len() < execution.threads.get() {
            return Err(LoadError::Affinity { threads: execution.threads.get(), cores: cores.len() });
        }
        let session = open_session(&environment, &path, form, kernels, &execution, &cores).map_err(|error| {
            match execution.device {
                Device::Cpu => LoadError::Graph { path: path.clone(), reason: error.to_string() },
                device => cuda::refused(device, &error.to_string()),
            }
        })?;
        signature::check(&path, &session, bundle.config(), format)?;
        cuda::check_session(execution.device, &session, &path)?;
        let logits = logits_tensor(1, bundle.config().vocab_size)?;
        let layout = Layout::new(bundle.config(), format, execution.cache);
        let memory = Memory::of(execution.device);
        Ok(Self { session, config: bundle.config().clone(), execution, layout, memory, copier: None, logits })
    }

    /// Whether this program was built to compute on a GPU.
    #[must_use]
    pub const fn has_cuda() -> bool {
        cuda::is_built()
    }

    /// From now on caches are bound, run and copied as if they lay in the memory of another device.
    #[doc(hidden)]
    pub fn treat_memory_as_remote(&mut self) {
        self.memory = self.memory.as_if_remote();
    }

    fn place(&self) -> Place<'_> {
        Place { session: &self.session, layout: &self.layout, memory: self.memory }
    }

    /// Copies within the device's memory.
    fn copy_remote(
        copier: &mut Option<Copier>,
        memory: Memory,
        spans: &mut dyn Iterator<Item = Span<'_>>,
    ) -> ort::Result<()> {
        if copier.is_none() {
            let environment = library::environment().map_err(|error| ort::Error::new(error.to_string()))?;
            *copier = Some(Copier::new(&environment, memory)?);
        }
        copier.as_mut().map_or(Ok(()), |copier| copier.copy(spans))
    }

    /// How the student is run.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        &self.execution
    }

    /// Runs on what is bound and written; the logits are `[rows, keep, vocab_size]`.
    fn run(&mut self, bound: &mut Bound, rows: usize, keep: usize) -> ort::Result<()> {
        if self.logits.shape()[..2] != [rows as i64, keep as i64] {
            self.logits = Tensor::new(&Allocator::default(), [rows, keep, self.config.vocab_size])?;
        }
        bound.bind_logits(&mut self.logits)?;
        native::run(&mut self.session, &bound.binding)?;
        // On a GPU the logits may still be on their way.
        if self.memory.is_remote() { bound.binding.synchronize_outputs() } else { Ok(()) }
    }
}

impl Backend for OnnxBackend {
    type Cache = OnnxCache;
    type Rows = OnnxRows;

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn cache(&mut self, capacity_tokens: usize) -> Result<OnnxCache, BackendError> {
        OnnxCache::new(self.place(), capacity_tokens).map_err(|error| failed(&error))
    }

    fn forward(&mut self, tokens: &[TokenId], cache: &mut OnnxCache, keep: usize) -> Result<&[f32], BackendError> {
        BackendError::check_room(cache, tokens.len())?;
        cache.set_inputs(tokens, keep).map_err(|error| failed(&error))?;
        self.run(&mut cache.bound, 1, keep).map_err(|error| failed(&error))?;
        cache.grow(tokens.len());
        Ok(self.logits.extract_tensor().1)
    }

    fn rows(&mut self, rows: usize, capacity_tokens: usize) -> Result<OnnxRows, BackendError> {
        OnnxRows::new(self.place(), rows, capacity_tokens).map_err(|error| failed(&error))
    }

    fn step_rows(&mut self, tokens: &[TokenId], rows: &mut OnnxRows) -> Result<&[f32], BackendError> {
        assert_eq!(tokens.len(), rows.rows(), "a token for every row");
        rows.check_room()?;
        rows.set_inputs(tokens).map_err(|error| failed(&error))?;
        self.run(&mut rows.bound, tokens.len(), 1).map_err(|error| failed(&error))?;
        rows.grow();
        Ok(self.logits.extract_tensor().1)
    }

    fn fork(&mut self, cache: &OnnxCache, rows: &mut OnnxRows, row: usize) -> Result<(), BackendError> {
        let Self { layout, copier, memory, .. } = self;
        rows.fork(cache, row, layout, |spans| {
            if memory.is_remote() {
                return Self::copy_remote(copier, *memory, spans).map_err(|error| failed(&error));
            }
            native::copy(spans);
            Ok(())
        })
    }

    fn cache_bytes(&self, rows: usize, capacity_tokens: usize) -> usize {
        self.layout.bytes(rows, capacity_tokens)
    }
}

fn open_session(
    environment: &Environment,
    path: &Path,
    form: Form<'_>,
    kernels: &'static Kernels,
    execution: &Execution,
    cores: &[usize],
) -> ort::Result<Session> {
    let threads = execution.threads.get();
    let mut builder = Session::builder(environment)?
        .with_operators(operators::domain(Machine { kernels, threads, cache: execution.cache })?)?
        .with_intra_threads(threads)?
        .with_intra_op_spinning(execution.spinning)?
        .with_inter_threads(1)?
        .with_prepacking(execution.prepacking)?;
    if execution.affinity && threads > 1 {
        builder = builder.with_config_entry(AFFINITIES, affinities(&cores[..threads]))?;
    }
    let mut builder = form.set(cuda::register(builder, execution.device)?)?;
    // By path, never from memory: only then are the weights mapped.
    after_the_first(|| builder.commit_from_file(path))
}

/// Creates a session; until one has been created, one at a time.
///
/// A session enters the domain of its operators into a table of the whole process if it is not there yet. ONNX Runtime looks
/// and enters in two steps, so that of two first sessions at once one fails.
fn after_the_first(create: impl FnOnce() -> ort::Result<Session>) -> ort::Result<Session> {
    static IS_REGISTERED: Mutex<bool> = Mutex::new(false);
    let mut is_registered = IS_REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_registered {
        drop(is_registered);
        return create();
    }
    let session = create()?;
    *is_registered = true;
    Ok(session)
}

/// What ONNX Runtime binds its threads by: a processor for each but the calling one, counted from 1. The first core is left
/// to that one, which is the caller's own and bound to nothing.
fn affinities(cores: &[usize]) -> String {
    cores[1..].iter().map(|core| (core + 1).to_string()).collect::<Vec<_>>().join(";")
}

fn logits_tensor(keep: usize, vocab_size: usize) -> Result<Tensor<f32>, BackendError> {
    Tensor::new(&Allocator::default(), [1, keep, vocab_size]).map_err(|error| failed(&error))
}

fn failed(error: &ort::Error) -> BackendError {
    BackendError::Run { reason: error.to_string() }
}
