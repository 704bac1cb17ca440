//! How is a small symmetric system solved? Cholesky's factor of a dense, positive definite matrix.

/// A square matrix, row by row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Square {
    pub(super) side: usize,
    pub(super) of: Vec<f64>,
}

impl Square {
    /// Nothing but zeros.
    pub(super) fn zero(side: usize) -> Self {
        Self { side, of: vec![0.0; side * side] }
    }

    pub(super) fn at(&self, row: usize, column: usize) -> f64 {
        self.of[row * self.side + column]
    }

    pub(super) fn at_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.of[row * self.side + column]
    }

    /// Adds another of the same side, so many times.
    pub(super) fn add(&mut self, other: &Self, times: f64) {
        self.of.iter_mut().zip(&other.of).for_each(|(mine, theirs)| *mine += times * theirs);
    }
}

/// The lower triangle `L` with `L Lᵀ` the matrix it was made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Factor(Square);

impl Factor {
    /// Factors a positive definite matrix, of which the lower triangle is read; n³/6 steps. Rounding may leave a pivot that
    /// is not positive; it is held at a hair above zero, which a prior on every effect keeps from mattering.
    pub(super) fn of(mut matrix: Square) -> Self {
        for column in 0..matrix.side {
            for row in column..matrix.side {
                let (a, b) = (row * matrix.side, column * matrix.side);
                let dot: f64 = (0..column).map(|k| matrix.of[a + k] * matrix.of[b + k]).sum();
                let left = matrix.at(row, column) - dot;
                *matrix.at_mut(row, column) =
                    if row == column { left.max(1e-12).sqrt() } else { left / matrix.at(column, column) };
            }
        }
        Self(matrix)
    }

    /// Solves `L x = b` in place.
    pub(super) fn forward(&self, b: &mut [f64]) {
        for row in 0..b.len() {
            let dot: f64 = (0..row).map(|k| self.0.at(row, k) * b[k]).sum();
            b[row] = (b[row] - dot) / self.0.at(row, row);
        }
    }

    /// Solves `L Lᵀ x = b` in place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        self.forward(b);
        for row in (0..b.len()).rev() {
            let dot: f64 = (row + 1..b.len()).map(|k| self.0.at(k, row) * b[k]).sum();
            b[row] = (b[row] - dot) / self.0.at(row, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_solves() {
        let rows = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]];
        let matrix = Square { side: 3, of: rows.concat() };
        let wanted = [1.0, -2.0, 0.25];
        let mut b: Vec<f64> = rows.iter().map(|row| row.iter().zip(wanted).map(|(a, x)| a * x).sum()).collect();
        Factor::of(matrix).solve(&mut b);
        assert!(b.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-12), "{b:?}");
    }
}
