import '../common/tokens.css';
import '../common/base.css';
import './candidate.css';
import { candidateBackend } from '../common/backend';
import { start } from '../common/start';
import App from './App.svelte';

void start(candidateBackend(), App, () => undefined);
