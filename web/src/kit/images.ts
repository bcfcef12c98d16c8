/** Images that come with the server, to choose from; any other URI can be typed. The registry's host does not matter to the server. */
const HOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com";

export interface Image {
  uri: string;
  label: string;
  description: string;
  /** Whether it can serve what it trains. */
  serves: boolean;
  /** Reads data without a script of one's own. */
  builtin?: boolean;
}

const image = (name: string, label: string, description: string, more: Partial<Image> = {}): Image => ({ uri: `${HOST}/${name}`, label, description, serves: true, ...more });

export const IMAGES: Image[] = [
  image("sagemaker-xgboost:1.7-1", "XGBoost 1.7", "Gradient boosted trees on CSV, LibSVM or Parquet; no script needed", { builtin: true }),
  image("sagemaker-scikit-learn:1.2-1", "scikit-learn 1.2", "A script of yours with scikit-learn"),
  image("pytorch-training:2.5.1-cpu-py311", "PyTorch 2.5", "A script of yours with PyTorch"),
  image("sagemaker-distribution-prod:3-cpu", "SageMaker Distribution 3", "Notebooks with NumPy, pandas, scikit-learn, Matplotlib; or a script of yours"),
  image("sagemaker-base-python:3.11", "Python 3.11", "Any command with plain Python", { serves: false }),
];

export const tagOf = (uri: string | undefined) => uri?.split("/").pop() ?? "";
