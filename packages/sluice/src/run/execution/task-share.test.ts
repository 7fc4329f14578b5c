import { expect, test } from 'vitest'
import { taskShare } from './task-share.ts'

test('tasks share the limit, none gets less than it can work in, and threads follow the memory', () => {
  expect(taskShare({ memoryLimit: '1GB' }, 4, 16)).toEqual({ memoryLimit: '250MB', threads: 3 })
  expect(taskShare({ memoryLimit: '8GiB' }, 2, 4)).toEqual({ memoryLimit: '4294MB', threads: 4 })
  expect(taskShare({ memoryLimit: '128MB' }, 4, 16)).toEqual({ memoryLimit: '128MB', threads: 2 })
  expect(taskShare({ memoryLimit: '128MB', threads: 5 }, 4, 16)).toEqual({ memoryLimit: '128MB', threads: 5 })
})
