//! How are matrices multiplied? By the crate `gemm`, with the bounds checked that it believes.

use gemm::Parallelism;

/// Numbers in memory, seen as a matrix.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// From a number to the one below it, and to the one right of it.
    steps: (usize, usize),
}

impl<'a> Matrix<'a> {
    /// Rows one after the other: `[rows, columns]`.
    pub(super) fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, rows: values.len() / columns.max(1), columns, steps: (columns, 1) }
    }

    /// Some columns of some rows, each row as far from the next as it lies.
    pub(super) fn part(values: &'a [f32], (rows, columns): (usize, usize), step: usize) -> Self {
        Self { values, rows, columns, steps: (step, 1) }
    }

    /// Rows as columns.
    pub(super) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, steps: (self.steps.1, self.steps.0), ..self }
    }

    fn last(&self) -> usize {
        (self.rows - 1) * self.steps.0 + (self.columns - 1) * self.steps.1
    }
}

/// Whether a product is computed on all threads of rayon's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    All,
}

/// Puts `left · right` into `out`, `[rows, columns]`, or adds it there, multiplied with `scale`.
pub(super) fn multiply(
    out: &mut [f32],
    (left, right): (Matrix<'_>, Matrix<'_>),
    adds: bool,
    scale: f32,
    threads: Threads,
) {
    let (rows, columns, between) = (left.rows, right.columns, left.columns);
    assert_eq!(between, right.rows, "matrices that do not fit");
    if rows == 0 || columns == 0 {
        return;
    }
    if between == 0 {
        if !adds {
            out[..rows * columns].fill(0.0);
        }
        return;
    }
    assert!(rows * columns <= out.len() && left.last() < left.values.len() && right.last() < right.values.len());
    let threads = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(rayon::current_num_threads()),
    };
    #[expect(unsafe_code, reason = "gemm takes pointers; the assertion above keeps every access within the slices")]
    // SAFETY: the largest offset of each matrix lies within its slice, and `out` is borrowed by nobody else.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            between,
            out.as_mut_ptr(),
            1,
            columns as isize,
            adds,
            left.values.as_ptr(),
            left.steps.1 as isize,
            left.steps.0 as isize,
            right.values.as_ptr(),
            right.steps.1 as isize,
            right.steps.0 as isize,
            1.0,
            scale,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_turned_added_and_scaled() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 2.0, 1.0, 0.0, 1.0]);
        let mut out = vec![10.0; 4];
        multiply(&mut out, (Matrix::new(&a, 3), Matrix::new(&b, 2)), false, 1.0, Threads::One);
        assert_eq!(out, [5.0, 5.0, 14.0, 11.0]);
        multiply(&mut out, (Matrix::new(&a, 3), Matrix::new(&b, 3).turned()), true, 2.0, Threads::All);
        assert_eq!(out, [5.0 + 2.0 * 7.0, 5.0 + 2.0 * 4.0, 14.0 + 2.0 * 16.0, 11.0 + 2.0 * 10.0]);
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn what_lies_outside_is_never_read() {
        let mut out = vec![0.0; 4];
        multiply(&mut out, (Matrix::part(&[0.0; 5], (2, 2), 4), Matrix::new(&[0.0; 4], 2)), false, 1.0, Threads::One);
    }
}
