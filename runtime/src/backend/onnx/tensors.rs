#![expect(
    unsafe_code,
    reason = "the C interface of ONNX Runtime: tensors and threads of a running node, without an allocation"
)]
//! Tensors of a running node as slices, and ONNX Runtime's threads as workers.

use std::cell::RefCell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

use ort::AsPointer;
use ort::operator::ComputeContext;
use ort::sys;

use crate::kernels::Workers;

/// Most dimensions of a tensor here.
const RANK: usize = 4;

/// Inputs and outputs of a running node.
#[derive(Debug)]
pub(super) struct Tensors<'a> {
    context: *mut sys::OrtKernelContext,
    running: PhantomData<&'a ComputeContext>,
}

impl<'a> Tensors<'a> {
    pub(super) fn new(context: &'a ComputeContext) -> Self {
        Self { context: context.ptr().cast_mut(), running: PhantomData }
    }

    /// Elements of input `index`.
    ///
    /// # Safety
    /// They are of type `T`.
    pub(super) unsafe fn input<T>(&self, index: usize) -> ort::Result<&'a [T]> {
        // SAFETY: passed on from the caller.
        let input = unsafe { self.optional_input(index)? };
        input.ok_or_else(|| ort::Error::new(format!("input {index}: expected a tensor, found none")))
    }

    /// Elements of input `index`, if there is one.
    ///
    /// # Safety
    /// They are of type `T`.
    pub(super) unsafe fn optional_input<T>(&self, index: usize) -> ort::Result<Option<&'a [T]>> {
        let Some(value) = self.value(index)? else { return Ok(None) };
        let (length, _) = dimensions(value)?;
        let data = data(value)?;
        if length == 0 {
            return Ok(Some(&[]));
        }
        // SAFETY: ONNX Runtime keeps a node's inputs alive and unchanged while it runs; the length is that of the tensor, its
        // type the caller's promise, and ONNX Runtime aligns tensors for their type.
        Ok(Some(unsafe { std::slice::from_raw_parts(data.cast::<T>(), length) }))
    }

    /// Sizes of input `index`, which must have four dimensions.
    pub(super) fn shape(&self, index: usize) -> ort::Result<[usize; RANK]> {
        let value = self
            .value(index)?
            .ok_or_else(|| ort::Error::new(format!("input {index}: expected a tensor, found none")))?;
        match dimensions(value)? {
            (_, Some(sizes)) => Ok(sizes),
            _ => Err(ort::Error::new(format!("input {index}: expected {RANK} dimensions, found another number"))),
        }
    }

    /// Elements of output `index`, allocated with `shape`; what is in them is not defined.
    ///
    /// # Safety
    /// They are of type `T`, which any bits are a value of, and no other slice of this output is alive.
    pub(super) unsafe fn output<T>(&self, index: usize, shape: &[usize]) -> ort::Result<&'a mut [T]> {
        let data = self.output_data(index, shape)?;
        // SAFETY: the tensor was made with this shape for this run; the rest is the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts_mut(data.cast::<T>(), shape.iter().product()) })
    }

    /// Bytes of a float16 tensor that is input and output at once, and changed in place.
    ///
    /// # Safety
    /// Both are float16, the input's sizes are `shape`, and nobody else uses the memory while this node runs.
    pub(super) unsafe fn in_place(
        &self,
        input: usize,
        output: usize,
        shape: &[usize; RANK],
    ) -> ort::Result<&'a mut [u8]> {
        let value = self
            .value(input)?
            .ok_or_else(|| ort::Error::new(format!("input {input}: expected a tensor, found none")))?;
        let (before, after) = (data(value)?, self.output_data(output, shape)?);
        if before != after {
            return Err(ort::Error::new(format!(
                "output {output}: expected the memory of input {input}, found other memory"
            )));
        }
        // SAFETY: two bytes for each element of the shape; the rest is the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts_mut(after.cast::<u8>(), 2 * shape.iter().product::<usize>()) })
    }

    fn value(&self, index: usize) -> ort::Result<Option<*const sys::OrtValue>> {
        let mut count = 0;
        let mut value = ptr::null();
        // SAFETY: the context is that of a running node (promise of `ComputeContext`), and both results are written to
        // variables of the right type.
        unsafe {
            ort::Error::result_from_status((ort::api().KernelContext_GetInputCount)(self.context, &raw mut count))?;
            if index >= count {
                return Ok(None);
            }
            ort::Error::result_from_status((ort::api().KernelContext_GetInput)(self.context, index, &raw mut value))?;
        }
        Ok((!value.is_null()).then_some(value))
    }

    fn output_data(&self, index: usize, shape: &[usize]) -> ort::Result<*mut c_void> {
        let mut sizes = [0; RANK];
        sizes.iter_mut().zip(shape).for_each(|(size, &wanted)| *size = wanted as i64);
        let mut value = ptr::null_mut();
        // SAFETY: as in `value`; the sizes outlive the call.
        unsafe {
            let status =
                (ort::api().KernelContext_GetOutput)(self.context, index, sizes.as_ptr(), shape.len(), &raw mut value);
            ort::Error::result_from_status(status)?;
        }
        if value.is_null() {
            return Err(ort::Error::new(format!("output {index}: expected a tensor, found none")));
        }
        data(value)
    }
}

/// Where a tensor's elements lie.
fn data(value: *const sys::OrtValue) -> ort::Result<*mut c_void> {
    let mut data = ptr::null_mut();
    // SAFETY: the value is alive while its node runs, and is only asked where its elements are.
    unsafe {
        ort::Error::result_from_status((ort::api().GetTensorMutableData)(value.cast_mut(), &raw mut data))?;
    }
    Ok(data)
}

/// Number of a tensor's elements, and its sizes if it has four dimensions.
fn dimensions(value: *const sys::OrtValue) -> ort::Result<(usize, Option<[usize; RANK]>)> {
    let api = ort::api();
    let mut information = ptr::null_mut();
    // SAFETY: the value is alive while its node runs; the information is released below on every way out.
    unsafe {
        ort::Error::result_from_status((api.GetTensorTypeAndShape)(value, &raw mut information))?;
        let (mut length, mut rank, mut sizes) = (0, 0, [0; RANK]);
        let asked = ort::Error::result_from_status((api.GetTensorShapeElementCount)(information, &raw mut length))
            .and_then(|()| ort::Error::result_from_status((api.GetDimensionsCount)(information, &raw mut rank)))
            .and_then(|()| match rank {
                RANK => ort::Error::result_from_status((api.GetDimensions)(information, sizes.as_mut_ptr(), RANK)),
                _ => Ok(()),
            });
        (api.ReleaseTensorTypeAndShapeInfo)(information);
        asked?;
        Ok((length, (rank == RANK).then(|| sizes.map(|size| size as usize))))
    }
}

/// The session's threads, while a node runs.
#[derive(Debug)]
pub(super) struct Threads<'a> {
    context: *const sys::OrtKernelContext,
    count: usize,
    failure: RefCell<Option<ort::Error>>,
    running: PhantomData<&'a ComputeContext>,
}

impl<'a> Threads<'a> {
    /// The `count` threads of the session in which `context` runs.
    pub(super) fn new(context: &'a ComputeContext, count: usize) -> Self {
        Self { context: context.ptr(), count, failure: RefCell::default(), running: PhantomData }
    }

    /// Whether all work was shared out.
    pub(super) fn outcome(self) -> ort::Result<()> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }
}

impl Workers for Threads<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        /// Calls the task that `data` points to.
        unsafe extern "C" fn call(data: *mut c_void, index: usize) {
            // SAFETY: `data` is the reference below, which outlives the call that runs all tasks.
            let task = unsafe { &*data.cast::<&(dyn Fn(usize) + Sync)>() };
            task(index);
        }
        let data = (&raw const task).cast_mut().cast();
        // SAFETY: the context is that of a running node; ONNX Runtime calls back with `data` for every index below `tasks`
        // and returns when all calls have, so that the reference is alive throughout; the task may run on any thread.
        let status = unsafe { (ort::api().KernelContext_ParallelFor)(self.context, call, tasks, 0, data) };
        // SAFETY: the status is taken over.
        if let Err(error) = unsafe { ort::Error::result_from_status(status) } {
            self.failure.replace(Some(error));
        }
    }
}
