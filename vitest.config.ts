import { defineConfig } from 'vitest/config'

// Two projects: `unit` lives beside the code and needs no process of its own; `suite` kills processes, runs examples, takes minutes.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          root: 'packages/sluice',
          include: ['src/**/*.test.ts', 'test/architecture/**/*.test.ts', 'test/types/**/*.test.ts'],
          testTimeout: 30_000,
          pool: 'forks',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'suite',
          root: 'packages/sluice',
          include: ['test/**/*.test.ts'],
          exclude: ['test/architecture/**', 'test/types/**', 'test/iceberg/**'],
          testTimeout: 1_800_000,
          hookTimeout: 120_000,
          pool: 'forks',
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      // By other people's readers, which `npm run test:iceberg` installs.
      {
        test: {
          name: 'iceberg',
          root: 'packages/sluice',
          include: ['test/iceberg/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          pool: 'forks',
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
